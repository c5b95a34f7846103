#include "vouchsafe/attest/request/azure_guest_request.h"

#include <gtest/gtest.h>

#include <functional>

#include "vouchsafe/attest/test_guest.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

constexpr size_t kMax = 1 << 20;

const evidence::AzureGuestEvidence& test_evidence() {
    static const evidence::AzureGuestEvidence one = Machine{}.evidence();
    return one;
}

Result<AzureGuestRequest> parse_inner(const Json& inner) {
    return AzureGuestRequest::parse(request_body(inner), kMax);
}

Json good() {
    return inner_request(test_evidence(), Dialect::cpp);
}

// refusal changes a good request and returns what is said about it; "" if it is accepted.
std::string refusal(const std::function<void(Json&)>& change) {
    Json inner = good();
    change(inner);
    Result<AzureGuestRequest> parsed = parse_inner(inner);
    if (parsed) return "";
    EXPECT_EQ(parsed.error().code, Code::invalid);
    return parsed.error().message;
}

TEST(AzureGuestRequest, ReadsTheSameEvidenceInEveryDialect) {
    const auto& sent = test_evidence();
    for (Dialect dialect : {Dialect::cpp, Dialect::python, Dialect::padded}) {
        AzureGuestRequest request = MUST(parse_inner(inner_request(sent, dialect)));
        EXPECT_EQ(request.protocol_version, "2.0");
        EXPECT_EQ(request.os.type, "Linux");
        EXPECT_EQ(request.os.distro, "Ubuntu");
        EXPECT_EQ(request.os.build, "NotApplication");
        EXPECT_EQ(request.os.version_major, 22);
        EXPECT_EQ(request.os.version_minor, 4);
        const auto& got = request.evidence;
        EXPECT_EQ(got.isolation_type, "SevSnp");
        EXPECT_EQ(got.snp_report, sent.snp_report);
        EXPECT_EQ(got.vcek_chain, sent.vcek_chain);
        EXPECT_EQ(got.runtime_data, sent.runtime_data);
        EXPECT_EQ(got.quote, sent.quote);
        EXPECT_EQ(got.quote_signature, sent.quote_signature);
        EXPECT_EQ(got.encryption_key, sent.encryption_key);
        EXPECT_EQ(got.certify_info, sent.certify_info);
        EXPECT_EQ(got.certify_signature, sent.certify_signature);
        EXPECT_EQ(got.event_log, sent.event_log);
        EXPECT_EQ(got.pcr_set, sent.pcr_set);
        ASSERT_EQ(got.pcr_values.size(), 8u);
        EXPECT_EQ(got.pcr_values[7].index, 7u);
        EXPECT_EQ(got.pcr_values[7].digest, sent.pcr_values[7].digest);
        // Padding travels on: the verifier knows what it means.
        bool padded = dialect == Dialect::padded;
        EXPECT_EQ(got.ak_certificate.size(), padded ? 4096 : sent.ak_certificate.size());
        EXPECT_EQ(got.ak_public.size(), sent.ak_public.size() + (padded ? 72 : 0));
    }
}

TEST(AzureGuestRequest, KeepsTheClientPayloadAsItIs) {
    auto payload_of = [](const Json& payload) {
        Json inner = good();
        inner["ClientPayload"] = payload;
        return MUST(parse_inner(inner)).client_payload;
    };
    for (const Json& payload :
         {Json{{"nonce", "x"}}, Json::array({1, "two"}), Json("text"), Json(7), Json::object()}) {
        ASSERT_NE(payload_of(payload), nullptr);
        EXPECT_EQ(*payload_of(payload), payload);
    }
    EXPECT_EQ(payload_of(nullptr), nullptr);
    EXPECT_EQ(refusal([](Json& inner) { inner.erase("ClientPayload"); }), "");
    EXPECT_EQ(refusal([](Json& inner) { inner["ClientPayload"] = std::string(32 << 10, 'a'); }),
              "ClientPayload is longer than 32768 bytes");
}

TEST(AzureGuestRequest, TakesNamesInAnyCapitalsButNoneTwice) {
    Json inner = good();
    std::string text = encode_base64(as_bytes(dump_json(inner)));
    EXPECT_TRUE(AzureGuestRequest::parse(dump_json({{"attestationInfo", text}}), kMax));
    EXPECT_TRUE(
        AzureGuestRequest::parse(dump_json({{"ATTESTATIONINFO", text}, {"more", 1}}), kMax));
    auto twice = AzureGuestRequest::parse(
        dump_json({{"attestationInfo", text}, {"AttestationInfo", text}}), kMax);
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().message, "AttestationInfo appears twice");
    EXPECT_EQ(refusal([](Json& json) { json["TpmInfo"]["aikpub"] = "AA=="; }),
              "TpmInfo.AikPub appears twice");
}

TEST(AzureGuestRequest, RefusesEveryMissingMemberByName) {
    for (const char* name :
         {"AttestationProtocolVersion", "OSType", "OSDistro", "OSBuild", "OSVersionMajor",
          "OSVersionMinor", "TcgLogs", "TpmInfo", "IsolationInfo"}) {
        EXPECT_EQ(refusal([&](Json& inner) { inner.erase(name); }),
                  fmt::format("{} is missing", name));
    }
    for (const char* name : {"AikCert", "AikPub", "PcrQuote", "PcrSignature", "EncKeyPub",
                             "EncKeyCertifyInfo", "EncKeyCertifyInfoSignature", "PcrSet", "PCRs"}) {
        EXPECT_EQ(refusal([&](Json& inner) { inner["TpmInfo"].erase(name); }),
                  fmt::format("TpmInfo.{} is missing", name));
    }
    EXPECT_EQ(refusal([](Json& inner) { inner["IsolationInfo"].erase("Type"); }),
              "IsolationInfo.Type is missing");
    EXPECT_EQ(refusal([](Json& inner) { inner["IsolationInfo"].erase("Evidence"); }),
              "IsolationInfo.Evidence is missing");
    for (const char* name : {"Proof", "RunTimeData"}) {
        EXPECT_EQ(refusal([&](Json& inner) { inner["IsolationInfo"]["Evidence"].erase(name); }),
                  fmt::format("IsolationInfo.Evidence.{} is missing", name));
    }
}

TEST(AzureGuestRequest, RefusesEveryMemberOfAnotherType) {
    for (const char* name : {"AttestationProtocolVersion", "OSType", "OSDistro", "OSBuild",
                             "OSVersionMajor", "TcgLogs", "TpmInfo", "IsolationInfo"}) {
        for (const Json& value : {Json(true), Json(Json::array()), Json(1.5)}) {
            std::string message = refusal([&](Json& inner) { inner[name] = value; });
            EXPECT_TRUE(message.starts_with(fmt::format("{} must be ", name))) << message;
        }
    }
    for (const char* name : {"AikCert", "AikPub", "PcrQuote", "PcrSignature", "EncKeyPub",
                             "EncKeyCertifyInfo", "EncKeyCertifyInfoSignature", "PcrSet", "PCRs"}) {
        std::string message = refusal([&](Json& inner) { inner["TpmInfo"][name] = 5; });
        EXPECT_TRUE(message.starts_with(fmt::format("TpmInfo.{} must be ", name))) << message;
    }
}

TEST(AzureGuestRequest, RefusesTextThatIsNoBase64OrTooLong) {
    for (const char* bad : {"A", "AA=", "A A=", "AAAA=", "*AAA", "AAB="}) {
        EXPECT_NE(refusal([&](Json& inner) { inner["TpmInfo"]["AikPub"] = bad; }), "") << bad;
    }
    struct Limit {
        const char* name;
        size_t size;
    };
    for (Limit limit : {Limit{"AikCert", 16384}, Limit{"AikPub", 4096}, Limit{"PcrQuote", 4096},
                        Limit{"PcrSignature", 2048}, Limit{"EncKeyPub", 4096}}) {
        auto with_size = [&](size_t size) {
            return refusal(
                [&](Json& inner) { inner["TpmInfo"][limit.name] = encode_base64(Bytes(size, 1)); });
        };
        EXPECT_EQ(with_size(limit.size), "") << limit.name;
        EXPECT_EQ(with_size(limit.size + 1),
                  fmt::format("TpmInfo.{} is longer than {} bytes", limit.name, limit.size));
    }
    EXPECT_EQ(refusal([](Json& inner) { inner["OSDistro"] = encode_base64(as_bytes("\xff\xfe")); }),
              "OSDistro is no UTF-8 text");
}

TEST(AzureGuestRequest, ReadsVersionsAsNumbersOrTextAndNothingElse) {
    auto minor = [](const Json& value) {
        Json inner = good();
        inner["OSVersionMinor"] = value;
        Result<AzureGuestRequest> parsed = parse_inner(inner);
        return parsed ? parsed->os.version_minor : -1;
    };
    EXPECT_EQ(minor(0), 0);
    EXPECT_EQ(minor("04"), 4);
    EXPECT_EQ(minor(""), 0);
    EXPECT_EQ(minor(2147483647), 2147483647);
    for (const Json& bad : {Json(-1), Json(2147483648), Json(UINT64_MAX), Json("-1"), Json("4a"),
                            Json(" 4"), Json("99999999999999999999"), Json(4.0)}) {
        EXPECT_EQ(minor(bad), -1) << bad;
    }
}

TEST(AzureGuestRequest, RefusesRegistersThatCannotBe) {
    EXPECT_NE(refusal([](Json& inner) { inner["TpmInfo"]["PcrSet"] = {0, 24}; }), "");
    EXPECT_NE(refusal([](Json& inner) { inner["TpmInfo"]["PcrSet"] = {-1}; }), "");
    EXPECT_NE(refusal([](Json& inner) { inner["TpmInfo"]["PcrSet"] = {"0"}; }), "");
    EXPECT_NE(refusal([](Json& inner) { inner["TpmInfo"]["PcrSet"] = Json::array(); }), "");
    EXPECT_NE(refusal([](Json& inner) { inner["TpmInfo"]["PcrSet"] = std::vector<int>(25, 1); }),
              "");
    EXPECT_NE(refusal([](Json& inner) {
                  inner["TpmInfo"]["PCRs"][0]["Digest"] = encode_base64(Bytes(31, 1));
              }),
              "");
    EXPECT_NE(refusal([](Json& inner) {
                  inner["TpmInfo"]["PCRs"][0]["Digest"] = encode_base64(Bytes(33, 1));
              }),
              "");
    EXPECT_NE(refusal([](Json& inner) { inner["TpmInfo"]["PCRs"][0] = 5; }), "");
}

TEST(AzureGuestRequest, RefusesAnotherProtocolVersion) {
    EXPECT_EQ(refusal([](Json& inner) { inner["AttestationProtocolVersion"] = "3.0"; }),
              "AttestationProtocolVersion is '3.0', expected '2.0'");
}

TEST(AzureGuestRequest, LeavesOtherIsolationToTheVerifier) {
    for (const char* type : {"TrustedLaunch", "tdx", "Something"}) {
        Json inner = good();
        inner["IsolationInfo"] = {{"Type", type}};
        EXPECT_EQ(MUST(parse_inner(inner)).evidence.isolation_type, type);
    }
}

TEST(AzureGuestRequest, RefusesHostileBodiesWithOneSentence) {
    std::string deep = R"({"AttestationInfo":")" +
                       encode_base64(as_bytes(std::string(4000, '[') + std::string(4000, ']'))) +
                       "\"}";
    std::string duplicate =
        R"({"AttestationInfo":")" + encode_base64(as_bytes(R"({"OSType":"","OSType":""})")) + "\"}";
    for (const std::string& body :
         {std::string(), std::string("null"), std::string("[]"), std::string("\"x\""),
          std::string("{}"), std::string("{\"AttestationInfo\":5}"),
          std::string("{\"AttestationInfo\":\"\"}"),
          std::string("{\"AttestationInfo\":\"bnVsbA\"}"), std::string(2 << 20, ' '),
          std::string(100000, '['), std::string("\xff\xfe{}"),
          std::string("{\"AttestationInfo\":\"e30\"} trailing"), deep, duplicate}) {
        Result<AzureGuestRequest> parsed = AzureGuestRequest::parse(body, kMax);
        ASSERT_FALSE(parsed) << body.substr(0, 60);
        EXPECT_EQ(parsed.error().code, Code::invalid);
        EXPECT_FALSE(parsed.error().message.empty());
    }
}

}  // namespace
}  // namespace vouchsafe::attest
