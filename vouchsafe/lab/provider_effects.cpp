// Attestation providers of one's own.
#include "vouchsafe/lab/cloud_effects_impl.h"

namespace vouchsafe::lab {

Result<Json> put_provider_effect(const EffectWorld& /*world*/,
                                 const cloud::Resource& /*resource*/) {
    return fail(Code::unsupported,
                "a lab has one attestation provider, sharedweu.weu.attest.azure.net: providers of "
                "one's own are not built");
}

Result<void> remove_provider_effect(const EffectWorld& /*world*/,
                                    const cloud::Resource& /*resource*/) {
    return {};
}

}  // namespace vouchsafe::lab
