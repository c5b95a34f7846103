// The operations on secrets that keys have not alike; each returns the body of its 200 answer. An
// operation on a value is recorded before its effect leaves. Private to vault/.
#pragma once

#include "vouchsafe/vault/secrets/secret_wire.h"

namespace vouchsafe::vault::secrets {

Result<Json> set_secret(Core& core, Call& call);
Result<Json> get_secret(Core& core, Call& call);
Result<Json> update_secret(Core& core, Call& call);
Result<Json> list_secrets(Core& core, Call& call);
Result<Json> list_secret_versions(Core& core, Call& call);

}  // namespace vouchsafe::vault::secrets
