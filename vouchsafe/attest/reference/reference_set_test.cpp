#include <gmock/gmock.h>

#include "vouchsafe/attest/reference/test_reference.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;
using ::testing::HasSubstr;

// A document of every group that one kind of evidence has.
Json whole_snp() {
    std::string d32 = encode_hex(Bytes(32, 1));
    std::string d48 = encode_hex(Bytes(48, 2));
    std::string d16 = encode_hex(Bytes(16, 3));
    Json tcb = {{"bootloader", 4}, {"tee", 0}, {"snp", 24}, {"microcode", 219}};
    Json turin = tcb;
    turin["fmc"] = 1;
    Json values = {{"snp",
                    {{"measurement", {d48, encode_hex(Bytes(48, 9))}},
                     {"host-data", {d32}},
                     {"id-key-digest", {d48}},
                     {"author-key-digest", {d48}},
                     {"family-id", {d16}},
                     {"image-id", {d16}},
                     {"guest-svn", {{"min", 3}}},
                     {"minimum-tcb", {{"Milan", tcb}, {"Genoa", tcb}, {"Turin", turin}}}}},
                   {"pcrs", {{"0", {d32}}, {"15", {d32}}}},
                   {"event-digests", {{"4", {d32, encode_hex(Bytes(32, 7))}}}}};
    Json out = with_values(values, {"AzureGuest"});
    out["description"] = "all of it";
    return out;
}

Json whole_tdx() {
    Json tdx;
    for (const char* name : {"mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3", "mrseam", "mrsignerseam",
                             "mrconfigid", "mrowner", "mrownerconfig"}) {
        tdx[name] = {encode_hex(Bytes(48, 5))};
    }
    tdx["tcb-evaluation"] = {{"min", 17}, {"max", 20}};
    tdx["minimum-tee-tcb-svn"] = std::vector<int>(16, 2);
    return with_values({{"tdx", tdx}}, {"TdxVm"});
}

Json whole_sgx() {
    std::string d32 = encode_hex(Bytes(32, 1));
    std::string d16 = encode_hex(Bytes(16, 3));
    return with_values({{"sgx",
                         {{"mrenclave", {d32}},
                          {"mrsigner", {d32}},
                          {"config-id", {encode_hex(Bytes(64, 4))}},
                          {"isv-family-id", {d16}},
                          {"isv-extended-product-id", {d16}},
                          {"product-id", {{"min", 1}, {"max", 1}}},
                          {"svn", {{"min", 2}}},
                          {"config-svn", {{"max", 9}}},
                          {"tcb-evaluation", {{"min", 17}}}}}},
                       {"SgxEnclave", "OpenEnclave"});
}

std::string refused(const Json& document) {
    auto parsed = ReferenceSet::parse(dump_json(document));
    if (parsed) return "accepted";
    EXPECT_EQ(parsed.error().code, Code::invalid);
    return parsed.error().message;
}
std::string refused(const std::function<void(Json&)>& change, Json document = whole_snp()) {
    change(document);
    return refused(document);
}

TEST(ReferenceSet, ReadsEveryFieldAndWritesTheSame) {
    for (const Json& document : {whole_snp(), whole_tdx(), whole_sgx(), reference_document(),
                                 reference_removal("prod", 9)}) {
        ReferenceSet set = reference_set(document);
        EXPECT_EQ(reference_set(set.to_json()), set) << dump_json(document);
    }
    // Every field of the table is in these documents.
    ReferenceSet snp = reference_set(whole_snp()), tdx = reference_set(whole_tdx()),
                 sgx = reference_set(whole_sgx());
    for (const ReferenceField& field : reference_fields()) {
        bool there = false;
        for (const ReferenceSet* set : {&snp, &tdx, &sgx}) {
            there |= set->values.digests.contains(field.path) ||
                     set->values.numbers.contains(field.path);
        }
        EXPECT_TRUE(there) << field.path;
    }
    EXPECT_EQ(snp.values.numbers.at("snp.guest-svn"), (NumberRange{3, 0xFFFFFFFF}));
    EXPECT_EQ(snp.values.minimum_tcb.at(evidence::SnpProduct::turin).fmc, 1);
    EXPECT_EQ(snp.description, "all of it");
    EXPECT_TRUE(snp.applies_to(policy::AttestationTarget::azure_guest));
    EXPECT_FALSE(snp.applies_to(policy::AttestationTarget::sev_snp_vm));
    EXPECT_TRUE(reference_set(reference_removal("prod", 9)).removes);
}

TEST(ReferenceSet, RefusesMembersThatTheFormatDoesNotHave) {
    EXPECT_THAT(refused([](Json& d) { d["extra"] = 1; }), HasSubstr("extra"));
    EXPECT_THAT(refused([](Json& d) { d["validity"]["until"] = "x"; }), HasSubstr("until"));
    EXPECT_THAT(refused([](Json& d) { d["values"]["tpm"] = {{"a", 1}}; }), HasSubstr("tpm"));
    EXPECT_THAT(refused([](Json& d) { d["values"]["snp"]["mrtd"] = {"00"}; }), HasSubstr("mrtd"));
    EXPECT_THAT(refused([](Json& d) { d["values"]["snp"]["guest-svn"]["at"] = 1; }),
                HasSubstr("at"));
    auto tcb = [](const char* product, const char* name) {
        return refused([&](Json& d) { d["values"]["snp"]["minimum-tcb"][product][name] = 1; });
    };
    EXPECT_THAT(tcb("Milan", "fmc"), HasSubstr("fmc"));
    EXPECT_THAT(tcb("Turin", "ucode"), HasSubstr("ucode"));
    EXPECT_THAT(tcb("Naples", "tee"), HasSubstr("Naples"));
    EXPECT_THAT(
        refused([](Json& d) { d["values"] = Json::object(); }, reference_removal("prod", 2)),
        HasSubstr("a removal"));
    std::string twice = R"({"schema":"vouchsafe/reference-values/1","name":"a","name":"b"})";
    EXPECT_FALSE(ReferenceSet::parse(twice));
}

TEST(ReferenceSet, RefusesEachMemberMissingEmptyAndOfAnotherType) {
    const Json wrong[] = {nullptr,         true, -1, 1.5, "", "text", Json::array(), Json::object(),
                          Json::array({1})};
    for (Json document : {whole_snp(), whole_tdx(), whole_sgx()}) {
        document.erase("description");
        document["validity"].erase("not-before");
        // Every leaf that is no list's element, and everything above them.
        std::vector<Json::json_pointer> places;
        std::function<void(const Json&, Json::json_pointer)> collect = [&](const Json& value,
                                                                           Json::json_pointer at) {
            if (!at.empty()) places.push_back(at);
            if (!value.is_object()) return;
            for (const auto& [name, member] : value.items()) collect(member, at / name);
        };
        collect(document, Json::json_pointer());
        for (const auto& place : places) {
            for (const Json& value : wrong) {
                if (place.to_string() == "/name" && value == "text") continue;  // is a name
                Json changed = document;
                changed[place] = value;
                EXPECT_NE(refused(changed), "accepted") << place << " " << dump_json(value);
            }
        }
        for (const char* name : {"schema", "name", "version", "validity", "evidence", "values"}) {
            EXPECT_NE(refused([&](Json& d) { d.erase(name); }, document), "accepted") << name;
        }
    }
}

TEST(ReferenceSet, RefusesDigestsOfAnotherLengthTwiceAndTooMany) {
    auto measurement = [](Json value) {
        return refused([&](Json& d) { d["values"]["snp"]["measurement"] = value; });
    };
    std::string good = encode_hex(Bytes(48, 1));
    EXPECT_EQ(measurement({good}), "accepted");
    EXPECT_THAT(measurement({good.substr(2)}), HasSubstr("96 hex digits"));
    EXPECT_THAT(measurement({good + "00"}), HasSubstr("96 hex digits"));
    EXPECT_THAT(measurement({std::string(96, 'g')}), HasSubstr("96 hex digits"));
    EXPECT_THAT(measurement({good, good}), HasSubstr("twice"));
    EXPECT_THAT(measurement({good, 7}), HasSubstr("7"));
    Json many = Json::array();
    for (size_t i = 0; i <= kMaxReferenceDigests; ++i) {
        many.push_back(encode_hex(Writer().u32_be(static_cast<uint32_t>(i)).zeros(44).take()));
    }
    EXPECT_THAT(measurement(many), HasSubstr("1024"));
    many.erase(many.begin());
    EXPECT_EQ(measurement(many), "accepted");
}

TEST(ReferenceSet, RefusesRegistersThatSoftwareCanReset) {
    auto pcr = [](const std::string& index) {
        return refused([&](Json& d) {
            d["values"]["event-digests"] = {{index, {encode_hex(Bytes(32, 1))}}};
        });
    };
    EXPECT_EQ(pcr("15"), "accepted");
    for (const char* index : {"16", "23", "-1", "04", "4 ", "", "x", "4294967300"}) {
        EXPECT_THAT(pcr(index), HasSubstr("no register")) << index;
    }
}

TEST(ReferenceSet, IsForKindsOfEvidenceThatHaveAllItsValues) {
    auto kinds = [](Json value, Json document = whole_snp()) {
        return refused([&](Json& d) { d["evidence"] = value; }, std::move(document));
    };
    EXPECT_EQ(kinds({"AzureGuest"}), "accepted");
    EXPECT_THAT(kinds({"AzureGuest", "SevSnpVm"}), HasSubstr("SevSnpVm has no"));
    EXPECT_THAT(kinds({"TdxVm"}), HasSubstr("TdxVm has no"));
    EXPECT_THAT(kinds({"AzureGuest", "AzureGuest"}), HasSubstr("twice"));
    EXPECT_THAT(kinds({"azureguest"}), HasSubstr("no kind"));
    EXPECT_THAT(kinds({"Tpm"}), HasSubstr("no kind"));
    EXPECT_THAT(kinds(Json::array()), HasSubstr("no kind"));
    EXPECT_THAT(kinds({"TdxVm"}, whole_sgx()), HasSubstr("no sgx"));
    EXPECT_EQ(kinds({"OpenEnclave"}, whole_sgx()), "accepted");
}

TEST(ReferenceSet, HasBoundsForNameVersionTimeAndSize) {
    auto name = [](const std::string& value) {
        return refused([&](Json& d) { d["name"] = value; });
    };
    EXPECT_EQ(name("a"), "accepted");
    EXPECT_EQ(name("prod-kernel.2"), "accepted");
    EXPECT_EQ(name(std::string(64, 'a')), "accepted");
    for (const std::string& bad :
         {std::string(65, 'a'), std::string(), std::string("A"), std::string("-a"),
          std::string("a."), std::string("a|b"), std::string("a:b"), std::string("a/b"),
          std::string("\xC3\xA4")}) {
        EXPECT_THAT(name(bad), HasSubstr("name")) << bad;
    }
    auto version = [](Json value) { return refused([&](Json& d) { d["version"] = value; }); };
    EXPECT_EQ(version(kMaxReferenceVersion), "accepted");
    EXPECT_THAT(version(kMaxReferenceVersion + 1), HasSubstr("version"));
    auto removal = [](uint64_t at) {
        return ReferenceSet::parse(dump_json(reference_removal("prod", at))).has_value();
    };
    EXPECT_TRUE(removal(kMaxRemovalVersion));
    EXPECT_FALSE(removal(kMaxRemovalVersion + 1));
    EXPECT_THAT(version(0), HasSubstr("version"));
    EXPECT_THAT(version("1"), HasSubstr("version"));
    EXPECT_THAT(version(1.0), HasSubstr("version"));
    auto end = [](const char* value) {
        return refused([&](Json& d) { d["validity"]["not-after"] = value; });
    };
    EXPECT_EQ(end("2026-01-01"), "accepted");
    EXPECT_THAT(end("2025-12-31"), HasSubstr("before it begins"));
    EXPECT_THAT(end("tomorrow"), HasSubstr("not-after"));
    EXPECT_EQ(end("9999-12-31T23:59:59Z"), "accepted");
    EXPECT_THAT(end("9999-12-31T23:59:59-00:01"), HasSubstr("9999"));
    EXPECT_THAT(refused([](Json& d) { d["description"] = std::string(1025, 'a'); }),
                HasSubstr("description"));
    EXPECT_THAT(refused([](Json& d) { d["schema"] = "vouchsafe/reference-values/2"; }),
                HasSubstr("schema"));
    EXPECT_FALSE(ReferenceSet::parse(std::string(kMaxReferenceDocument + 1, ' ')));
    EXPECT_FALSE(ReferenceSet::parse(std::string(100000, '[')));
    auto range = [](Json value) {
        return refused([&](Json& d) { d["values"]["snp"]["guest-svn"] = value; });
    };
    EXPECT_EQ(range({{"max", 0xFFFFFFFF}}), "accepted");
    EXPECT_THAT(range({{"max", 0x100000000}}), HasSubstr("guest-svn"));
    EXPECT_THAT(range({{"min", 2}, {"max", 1}}), HasSubstr("above"));
    EXPECT_THAT(refused([](Json& d) { d["values"]["snp"]["minimum-tcb"]["Milan"]["tee"] = 256; }),
                HasSubstr("Milan.tee"));
}

}  // namespace
}  // namespace vouchsafe::attest
