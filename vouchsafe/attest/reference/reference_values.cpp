#include "vouchsafe/attest/reference/reference_values.h"

#include <algorithm>
#include <charconv>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::attest {

using evidence::SnpProduct;
using evidence::SnpTcb;
using policy::AttestationTarget;

namespace {

constexpr ReferenceField kReferenceFields[] = {
    {"snp", "snp.measurement", 48},
    {"snp", "snp.host-data", 32},
    {"snp", "snp.id-key-digest", 48},
    {"snp", "snp.author-key-digest", 48},
    {"snp", "snp.family-id", 16},
    {"snp", "snp.image-id", 16},
    {"snp", "snp.guest-svn"},
    {"tdx", "tdx.mrtd", 48},
    {"tdx", "tdx.rtmr0", 48},
    {"tdx", "tdx.rtmr1", 48},
    {"tdx", "tdx.rtmr2", 48},
    {"tdx", "tdx.rtmr3", 48},
    {"tdx", "tdx.mrseam", 48},
    {"tdx", "tdx.mrsignerseam", 48},
    {"tdx", "tdx.mrconfigid", 48},
    {"tdx", "tdx.mrowner", 48},
    {"tdx", "tdx.mrownerconfig", 48},
    {"tdx", "tdx.tcb-evaluation"},
    {"sgx", "sgx.mrenclave", 32},
    {"sgx", "sgx.mrsigner", 32},
    {"sgx", "sgx.config-id", 64},
    {"sgx", "sgx.isv-family-id", 16},
    {"sgx", "sgx.isv-extended-product-id", 16},
    {"sgx", "sgx.product-id"},
    {"sgx", "sgx.svn"},
    {"sgx", "sgx.config-svn"},
    {"sgx", "sgx.tcb-evaluation"},
};

constexpr std::string_view kMinimumTcb = "minimum-tcb";                // of snp
constexpr std::string_view kMinimumTeeTcbSvn = "minimum-tee-tcb-svn";  // of tdx
constexpr SnpProduct kSnpProducts[] = {SnpProduct::milan, SnpProduct::genoa, SnpProduct::turin};
constexpr size_t kPcrDigestSize = 32;  // the SHA-256 bank is the one that guests send

struct ReferenceGroup {
    std::string_view name;
    std::vector<AttestationTarget> kinds;
};

const std::vector<ReferenceGroup>& reference_groups() {
    using enum AttestationTarget;
    static const std::vector<ReferenceGroup> kGroups = {{"snp", {azure_guest, sev_snp_vm}},
                                                        {"pcrs", {azure_guest}},
                                                        {"event-digests", {azure_guest}},
                                                        {"tdx", {tdx_vm, azure_guest}},
                                                        {"sgx", {sgx_enclave, open_enclave}}};
    return kGroups;
}

Result<uint64_t> read_number(const Json& value, std::string_view path, uint64_t max) {
    bool fits = value.is_number_unsigned() && value.get<uint64_t>() <= max;
    if (!fits) return fail(Code::invalid, "{} is {} and not 0 to {}", path, show_json(value), max);
    return value.get<uint64_t>();
}

Result<NumberRange> read_range(const Json& value, std::string_view path) {
    if (!value.is_object() || value.empty()) {
        return fail(Code::invalid, "{} is no object with min or max", path);
    }
    TRY(only_members(value, path, {"min", "max"}));
    NumberRange out;
    constexpr uint64_t kMax = std::numeric_limits<uint32_t>::max();
    if (const Json* min = find_member(value, "min")) out.min = TRY(read_number(*min, path, kMax));
    if (const Json* max = find_member(value, "max")) out.max = TRY(read_number(*max, path, kMax));
    if (out.min > out.max) return fail(Code::invalid, "{}: min is above max", path);
    return out;
}

Result<Digests> read_digests(const Json& value, std::string_view path, size_t size) {
    bool right = value.is_array() && !value.empty() && value.size() <= kMaxReferenceDigests;
    if (!right) {
        return fail(Code::invalid, "{} is no array of 1 to {} digests", path, kMaxReferenceDigests);
    }
    Digests out;
    for (const Json& one : value) {
        auto bytes = one.is_string() ? decode_hex(one.get_ref<const std::string&>())
                                     : Result<Bytes>(Bytes{});
        if (!bytes || bytes->size() != size) {
            return fail(Code::invalid, "{}: {} is not {} hex digits", path, show_json(one),
                        2 * size);
        }
        out.push_back(std::move(*bytes));
    }
    std::ranges::sort(out);
    auto twice = std::ranges::adjacent_find(out);
    if (twice != out.end()) {
        return fail(Code::invalid, "{}: {} stands there twice", path, encode_hex(*twice));
    }
    return out;
}

Result<uint8_t> read_svn(const Json& object, std::string_view name, std::string_view path) {
    const Json* value = find_member(object, name);
    if (value == nullptr) return fail(Code::invalid, "{} has no {}", path, name);
    return static_cast<uint8_t>(TRY(read_number(*value, fmt::format("{}.{}", path, name), 255)));
}

Result<SnpTcb> read_tcb(const Json& value, SnpProduct product, std::string_view path) {
    if (!value.is_object()) return fail(Code::invalid, "{} is no object", path);
    bool has_fmc = product == SnpProduct::turin;
    if (has_fmc) {
        TRY(only_members(value, path, {"fmc", "bootloader", "tee", "snp", "microcode"}));
    } else {
        TRY(only_members(value, path, {"bootloader", "tee", "snp", "microcode"}));
    }
    SnpTcb out;
    if (has_fmc) out.fmc = TRY(read_svn(value, "fmc", path));
    out.bootloader = TRY(read_svn(value, "bootloader", path));
    out.tee = TRY(read_svn(value, "tee", path));
    out.snp = TRY(read_svn(value, "snp", path));
    out.microcode = TRY(read_svn(value, "microcode", path));
    return out;
}

Result<std::map<SnpProduct, SnpTcb>> read_minimum_tcb(const Json& value) {
    std::string path = fmt::format("snp.{}", kMinimumTcb);
    if (!value.is_object() || value.empty()) {
        return fail(Code::invalid, "{} is no object with a product", path);
    }
    TRY(only_members(value, path, {"Milan", "Genoa", "Turin"}));
    std::map<SnpProduct, SnpTcb> out;
    for (SnpProduct product : kSnpProducts) {
        std::string_view name = evidence::product_name(product);
        const Json* tcb = find_member(value, name);
        if (tcb != nullptr) {
            out[product] = TRY(read_tcb(*tcb, product, fmt::format("{}.{}", path, name)));
        }
    }
    return out;
}

Result<TeeTcbSvn> read_tee_tcb_svn(const Json& value) {
    std::string path = fmt::format("tdx.{}", kMinimumTeeTcbSvn);
    TeeTcbSvn out{};
    if (!value.is_array() || value.size() != out.size()) {
        return fail(Code::invalid, "{} is no array of {} numbers", path, out.size());
    }
    for (size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<uint8_t>(TRY(read_number(value[i], path, 255)));
    }
    return out;
}

Result<std::map<uint32_t, Digests>> read_registers(const Json& object, std::string_view group) {
    std::map<uint32_t, Digests> out;
    for (const auto& [key, value] : object.items()) {
        uint32_t index = 0;
        auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
        bool right = error == std::errc() && std::to_string(index) == key;
        if (!right || index >= kReferenceRegisters) {
            return fail(Code::invalid, "{}: {} is no register from 0 to {}", group, show_json(key),
                        kReferenceRegisters - 1);
        }
        out[index] = TRY(read_digests(value, fmt::format("{}.{}", group, index), kPcrDigestSize));
    }
    return out;
}

Result<void> read_member(std::string_view group, std::string_view name, const Json& value,
                         ReferenceValues& out) {
    if (group == "snp" && name == kMinimumTcb) {
        out.minimum_tcb = TRY(read_minimum_tcb(value));
        return {};
    }
    if (group == "tdx" && name == kMinimumTeeTcbSvn) {
        out.minimum_tee_tcb_svn = TRY(read_tee_tcb_svn(value));
        return {};
    }
    auto field = std::ranges::find_if(kReferenceFields, [&](const ReferenceField& one) {
        return one.group == group && one.name() == name;
    });
    if (field == std::end(kReferenceFields)) {
        return fail(Code::invalid, "{} has no field {}", group, show_json(name));
    }
    if (field->size > 0) {
        out.digests[field->path] = TRY(read_digests(value, field->path, field->size));
    } else {
        out.numbers[field->path] = TRY(read_range(value, field->path));
    }
    return {};
}

Result<void> read_group(const ReferenceGroup& group, const Json& value, ReferenceValues& out) {
    if (!value.is_object() || value.empty()) {
        return fail(Code::invalid, "{} is no object with a value", group.name);
    }
    if (group.name == "pcrs") {
        out.pcrs = TRY(read_registers(value, group.name));
        return {};
    }
    if (group.name == "event-digests") {
        out.events = TRY(read_registers(value, group.name));
        return {};
    }
    for (const auto& [name, member] : value.items()) {
        TRY(read_member(group.name, name, member, out));
    }
    return {};
}

Json encode_digests(const Digests& digests) {
    Json out = Json::array();
    for (const Bytes& one : digests) out.push_back(encode_hex(one));
    return out;
}

Json encode_tcb(const SnpTcb& tcb) {
    Json out = {{"bootloader", tcb.bootloader},
                {"tee", tcb.tee},
                {"snp", tcb.snp},
                {"microcode", tcb.microcode}};
    if (tcb.fmc) out["fmc"] = *tcb.fmc;
    return out;
}

}  // namespace

std::span<const ReferenceField> reference_fields() {
    return kReferenceFields;
}

Result<void> only_members(const Json& object, std::string_view what,
                          std::initializer_list<std::string_view> names) {
    for (const auto& [name, value] : object.items()) {
        if (std::ranges::find(names, std::string_view(name)) == names.end()) {
            return fail(Code::invalid, "{} has no member {}", what, show_json(name));
        }
    }
    return {};
}

Result<ReferenceValues> parse_reference_values(const Json& object,
                                               std::span<const AttestationTarget> kinds) {
    if (object.empty()) return fail(Code::invalid, "values has no group");
    ReferenceValues out;
    for (const auto& [name, value] : object.items()) {
        auto group = std::ranges::find(reference_groups(), name, &ReferenceGroup::name);
        if (group == reference_groups().end()) {
            return fail(Code::invalid, "values has no group {}", show_json(name));
        }
        for (AttestationTarget kind : kinds) {
            if (std::ranges::find(group->kinds, kind) != group->kinds.end()) continue;
            return fail(Code::invalid, "evidence of kind {} has no {}: make a set for each",
                        policy::target_name(kind), name);
        }
        TRY(read_group(*group, value, out));
    }
    return out;
}

Json encode_reference_values(const ReferenceValues& values) {
    Json out = Json::object();
    for (const ReferenceField& field : kReferenceFields) {
        auto digests = values.digests.find(field.path);
        if (digests != values.digests.end()) {
            out[field.group][field.name()] = encode_digests(digests->second);
        }
        auto range = values.numbers.find(field.path);
        if (range != values.numbers.end()) {
            out[field.group][field.name()] = {{"min", range->second.min},
                                              {"max", range->second.max}};
        }
    }
    for (const auto& [product, tcb] : values.minimum_tcb) {
        out["snp"][kMinimumTcb][evidence::product_name(product)] = encode_tcb(tcb);
    }
    if (values.minimum_tee_tcb_svn) out["tdx"][kMinimumTeeTcbSvn] = *values.minimum_tee_tcb_svn;
    for (const auto& [index, digests] : values.pcrs) {
        out["pcrs"][std::to_string(index)] = encode_digests(digests);
    }
    for (const auto& [index, digests] : values.events) {
        out["event-digests"][std::to_string(index)] = encode_digests(digests);
    }
    return out;
}

}  // namespace vouchsafe::attest
