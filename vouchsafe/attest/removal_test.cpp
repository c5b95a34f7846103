// Every check of an attest request is needed: see base/removal_table.h.
#include "vouchsafe/attest/appraise.h"
#include "vouchsafe/attest/policy/judge.h"
#include "vouchsafe/attest/reference/reference_book.h"
#include "vouchsafe/attest/reference/test_reference.h"
#include "vouchsafe/attest/test_office.h"
#include "vouchsafe/attest/test_receipt.h"
#include "vouchsafe/attest/test_td_guest.h"
#include "vouchsafe/attest/test_tpm.h"
#include "vouchsafe/base/removal_table.h"

namespace vouchsafe::attest {
namespace {

using namespace vouchsafe::testing;
using namespace testing;

Terms terms() {
    static const Config kConfig;
    static const evidence::TrustAnchors kAnchors = test_anchors();
    return {kConfig, kAnchors, test_time(), true, share().collateral.get()};
}

std::string judge_guest(const Machine& machine) {
    Checks checks;
    return outcome(appraise_azure_guest(guest_request(machine), terms(), checks));
}

// snp_vm appraises a sound request after an edit.
Judge snp_vm(const std::function<void(Json&)>& edit) {
    Json request = snp_request(Machine{});
    edit(request);
    return [body = dump_json(request)] {
        Checks checks;
        return outcome(appraise_snp_vm(body, terms(), checks));
    };
}

// A request that another key signed than the one the TPM vouched for.
std::string signed_by_another() {
    Challenges challenges(Seconds{60});
    std::string context = challenges.issue(test_time()).text;
    TpmChallenge challenge{challenge_digest(context), context};
    std::string payload = dump_json(TpmBox{}.payload(challenge));
    TpmBox another;
    another.request_key = keys().ak;
    Terms with = terms();
    with.challenges = &challenges;
    Checks checks;
    return outcome(
        appraise_tpm(dump_json(tpm_answer(another.request(payload), true)), with, checks));
}

// A guest on TDX whose paravisor nobody knows.
std::string unknown_td_paravisor() {
    evidence::testing::TdxMachine hardware;
    evidence::AzureGuestEvidence evidence = Machine{}.evidence();
    Json body =
        MUST(parse_json(request_body(td_inner_request(evidence, hardware, evidence.runtime_data))));
    body["draftPolicyForAttestation"] = kTpmPermitAll;  // needs no collateral
    evidence::TrustAnchors anchors = test_anchors();
    anchors.intel = hardware.root();
    Checks checks;
    return outcome(appraise_azure_guest(
        dump_json(body), Terms{terms().config, anchors, test_time(), false}, checks));
}

// put_twice sends two sets of reference values, and judges the second.
Judge put_twice(const Json& first_one, const std::string& second_one) {
    return [first_one, second_one] {
        Office office;
        constexpr const char* kPath = "/reference-values/prod";
        if (!first_one.is_null()) office.ask("PUT", kPath, dump_json(first_one));
        net::Response response = office.ask("PUT", kPath, second_one);
        if (response.status == 200) return std::string(kAccepted);
        std::string code = response.headers.get("x-vouchsafe-check");
        return code.empty() ? std::string(kUnreadable) : code;
    };
}

std::string one_set_too_many() {
    TemporaryDir dir = make_dir();
    auto store = open_store(dir.path());
    ReferenceBook book(*store, "https://a.example");
    Result<ReferenceChange> last = ReferenceChange{};
    MUST(store->run([&](store::Transaction& tx) -> Result<void> {
        for (size_t i = 0; i <= ReferenceBook::kMaxSets; ++i) {
            Checks checks;
            std::string text = dump_json(reference_document(fmt::format("set-{}", i)));
            auto document = TRY(ReferenceDocument::read(text));
            last = book.change(tx, document, "somebody", test_time(), checks);
        }
        return {};
    }));
    return outcome(last);
}

// receipt_with signs a receipt with one member changed.
Judge receipt_with(const char* name, const Json& value) {
    return [name, value] {
        static ReceiptOffice office;
        Json payload = office.granted().payload();
        payload[name] = value;
        return outcome(office.verify(office.sign(payload)));
    };
}

std::string receipt_of_another_token() {
    ReceiptOffice office;
    ReceiptRules rules = office.rules();
    rules.token = office.granted().token;
    return outcome(office.verify(office.granted().receipt, rules));
}

std::string receipt_of_another_entry() {
    ReceiptOffice office;
    Json payload = office.granted().payload();
    payload["token_jti"] = "another";
    return outcome(office.recorded(office.sign(payload), office.running.log));
}

RemovalTable rows() {
    const Json other = {{"data", encode_base64url(as_bytes("{}"))}, {"dataType", "JSON"}};
    auto unknown_paravisor = [] {
        Machine machine;
        machine.id_key = std::string(96, 'a');
        return judge_guest(machine);
    };
    auto policy_denies = [] {
        Checks checks;
        auto policy = MUST(read_draft("version=1.0; authorizationrules { => deny(); };"));
        return outcome(judge(*policy, Json::object(), nullptr, checks));
    };
    auto unsigned_change = [] {
        Checks checks;
        auto document = MUST(SignedDocument::parse(unsigned_policy("")));
        return outcome(check_signer(document, {}, test_time(), checks));
    };
    auto malformed_draft = [] {
        Json request = snp_request(Machine{});
        request["draftPolicyForAttestation"] = "version=1.0;";
        net::Response response = share().send("POST", "/attest/SevSnpVm", dump_json(request));
        if (response.status == 200) return std::string(kAccepted);
        std::string code = response.headers.get("x-vouchsafe-check");
        return code.empty() ? std::string(kUnreadable) : code;
    };
    auto foreign_challenge = [] {
        std::string text = Challenges(Seconds{60}).issue(test_time()).text;
        Challenges ours(Seconds{60});
        Checks checks;
        return outcome(ours.spend(text, test_time(), checks));
    };
    return {
        {"RECEIPT-FORM", {receipt_with("path", nullptr), kStillRefused}},
        {"RECEIPT-TIME", {receipt_with("iat", to_unix(test_time()) + 301)}},
        {"RECEIPT-INCLUSION", {receipt_with("root", encode_base64url(Bytes(32, 1)))}},
        {"RECEIPT-TOKEN", {receipt_of_another_token}},
        {"RECEIPT-ENTRY", {receipt_of_another_entry}},
        {"ATTEST-TD-MEASUREMENT", {unknown_td_paravisor}},
        {"ATTEST-REQUEST-KEY", {signed_by_another}},
        {"ATTEST-CHALLENGE", {foreign_challenge}},
        {"ATTEST-REQUEST", {snp_vm([](Json& request) { request["nonce"] = true; }), kUnreadable}},
        {"ATTEST-POLICY", {policy_denies}},
        {"ATTEST-POLICY-FORM", {malformed_draft, kUnreadable}},
        {"ATTEST-POLICY-SIGNER", {unsigned_change}},
        {"ATTEST-REFERENCE-FORM", {put_twice(nullptr, dump_json(reference_document("other")))}},
        {"ATTEST-REFERENCE-VERSION",
         {put_twice(reference_document("prod", 2), dump_json(reference_document("prod", 1)))}},
        {"ATTEST-REFERENCE-LIMIT", {one_set_too_many}},
        {"ATTEST-INIT-DATA", {snp_vm([&](Json& request) { request["initTimeData"] = other; })}},
        {"ATTEST-ID-KEY", {unknown_paravisor}},
    };
}

TEST(AttestCheckRemoval, EveryCheckDecidesACase) {
    expect_every_check_decides("attest", rows());
}

}  // namespace
}  // namespace vouchsafe::attest
