// Whole quotes: two bytes of length, what was signed, then the signature, against a recorded key
// and register values. Oracles: every refusal names a check; what is accepted was signed by that
// TPM.
#include "fuzz/recorded.h"
#include "vouchsafe/evidence/tpm/pcr_values.h"
#include "vouchsafe/evidence/tpm/quote.h"

using namespace vouchsafe;
using namespace vouchsafe::fuzz;
using namespace vouchsafe::evidence;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const Bytes kSigned = recorded("tpm/azure-vtpm.tpm-quote.msg");
    static const auto kKey =
        MUST(crypto::PublicKey::from_pem(as_text(recorded("tpm/azure-vtpm.akpub.pem"))));
    static const auto kValues = MUST(parse_pcr_values(recorded("tpm/azure-vtpm.pcrs-sha256.bin")));

    Reader in({data, size}, "input");
    auto length = in.u16_be("length");
    auto attest = length ? in.take(*length, "attest") : Result<ByteView>(ByteView());
    if (!length || !attest) return 0;
    ByteView signature = MUST(in.rest("signature"));
    auto key = signing_key_for(kKey, signature);
    if (!key) return 0;
    QuoteExpectation expected;
    expected.required_pcrs = {0, 7};
    Checks checks;
    auto quote = verify_quote(*attest, signature, *key, kValues, expected, checks);
    require_reason(quote);
    if (quote) require(equal(*attest, kSigned));
    Checks of_digest;
    auto digest = verify_quote_digest(*attest, signature, *key, expected, of_digest);
    require_reason(digest);
    require(digest.has_value() || !quote);
    return 0;
}
