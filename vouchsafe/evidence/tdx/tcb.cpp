#include "vouchsafe/evidence/tdx/tcb.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::evidence {

namespace {

struct StatusName {
    TcbStatus status;
    std::string_view name;
};
constexpr StatusName kStatusNames[] = {
    {TcbStatus::up_to_date, "UpToDate"},
    {TcbStatus::sw_hardening_needed, "SWHardeningNeeded"},
    {TcbStatus::configuration_needed, "ConfigurationNeeded"},
    {TcbStatus::configuration_and_sw_hardening_needed, "ConfigurationAndSWHardeningNeeded"},
    {TcbStatus::out_of_date, "OutOfDate"},
    {TcbStatus::out_of_date_configuration_needed, "OutOfDateConfigurationNeeded"},
    {TcbStatus::revoked, "Revoked"},
};

Result<TcbStatus> status_of(std::string_view name) {
    for (const StatusName& row : kStatusNames) {
        if (row.name == name) return row.status;
    }
    return fail(Code::invalid, "the tcbStatus '{}' is not known", name);
}

template <size_t N>
Result<std::array<uint8_t, N>> hex_member(const Json& object, std::string_view name) {
    Bytes bytes = TRY(with_context(decode_hex(TRY(json_string(object, name))), name));
    if (bytes.size() != N) return fail(Code::invalid, "{} must have {} bytes", name, N);
    return Reader(bytes).array<N>(name);
}

Result<uint64_t> number_member(const Json& object, std::string_view name, uint64_t max) {
    int64_t value = TRY(json_integer(object, name));
    if (value < 0 || static_cast<uint64_t>(value) > max) {
        return fail(Code::invalid, "{} must be 0 to {}", name, max);
    }
    return static_cast<uint64_t>(value);
}

Result<uint16_t> u16_member(const Json& object, std::string_view name) {
    return static_cast<uint16_t>(TRY(number_member(object, name, UINT16_MAX)));
}

Result<Time> time_member(const Json& object, std::string_view name) {
    return with_context(parse_rfc3339(TRY(json_string(object, name))), name);
}

Result<TcbJudgement> parse_judgement(const Json& level) {
    TcbJudgement out;
    out.status = TRY(status_of(TRY(json_string(level, "tcbStatus"))));
    out.date = TRY(time_member(level, "tcbDate"));
    if (find_member(level, "advisoryIDs") == nullptr) return out;
    for (const Json& id : *TRY(json_array(level, "advisoryIDs"))) {
        if (!id.is_string()) return fail(Code::invalid, "an advisory id that is not text");
        out.advisories.push_back(id.get<std::string>());
    }
    return out;
}

Result<std::array<uint8_t, 16>> parse_components(const Json& tcb, std::string_view name) {
    const Json* list = TRY(json_array(tcb, name));
    std::array<uint8_t, 16> out{};
    if (list->size() != out.size()) return fail(Code::invalid, "{} must have 16 members", name);
    for (size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<uint8_t>(TRY(number_member((*list)[i], "svn", UINT8_MAX)));
    }
    return out;
}

Result<TcbLevel> parse_level(const Json& level, IntelTee tee) {
    const Json* tcb = TRY(json_object(level, "tcb"));
    TcbLevel out;
    out.sgx_components = TRY(parse_components(*tcb, "sgxtcbcomponents"));
    out.pcesvn = TRY(u16_member(*tcb, "pcesvn"));
    if (tee == IntelTee::tdx) {
        out.tdx_components = TRY(parse_components(*tcb, "tdxtcbcomponents"));
    }
    out.judgement = TRY(parse_judgement(level));
    return out;
}

// The status of a module or an enclave has three values (PCS, QE identity).
Result<std::vector<SvnLevel>> parse_svn_levels(const Json& owner) {
    std::vector<SvnLevel> out;
    for (const Json& level : *TRY(json_array(owner, "tcbLevels"))) {
        SvnLevel one;
        one.isvsvn = TRY(u16_member(*TRY(json_object(level, "tcb")), "isvsvn"));
        one.judgement = TRY(parse_judgement(level));
        TcbStatus status = one.judgement.status;
        if (status != TcbStatus::up_to_date && status != TcbStatus::out_of_date &&
            status != TcbStatus::revoked) {
            return fail(Code::invalid, "a status that only platforms have");
        }
        out.push_back(std::move(one));
    }
    if (out.empty()) return fail(Code::invalid, "no tcbLevels");
    return out;
}

Result<TdxModule> parse_module(const Json& object) {
    TdxModule out;
    out.mrsigner = TRY(hex_member<48>(object, "mrsigner"));
    out.attributes = TRY(hex_member<8>(object, "attributes"));
    out.attributes_mask = TRY(hex_member<8>(object, "attributesMask"));
    return out;
}

Result<TdxModule> parse_module_identity(const Json& object) {
    TdxModule out = TRY(parse_module(object));
    out.id = TRY(json_string(object, "id"));
    out.levels = TRY(parse_svn_levels(object));
    return out;
}

Result<void> parse_modules(const Json& document, TcbInfo& out) {
    out.module = TRY(parse_module(*TRY(json_object(document, "tdxModule"))));
    if (find_member(document, "tdxModuleIdentities") == nullptr) return {};
    for (const Json& identity : *TRY(json_array(document, "tdxModuleIdentities"))) {
        out.modules.push_back(TRY(parse_module_identity(identity)));
    }
    return {};
}

// expect_kind refuses another document with the same signer.
Result<void> expect_kind(const Json& document, std::string_view id, int64_t version) {
    std::string found = TRY(json_string(document, "id"));
    int64_t found_version = TRY(json_integer(document, "version"));
    if (found != id || found_version != version) {
        return fail(Code::invalid, "{} version {}, not {} version {}", found, found_version, id,
                    version);
    }
    return {};
}

}  // namespace

std::string_view tcb_status_name(TcbStatus status) {
    return std::find_if(std::begin(kStatusNames), std::end(kStatusNames),
                        [&](const StatusName& row) { return row.status == status; })
        ->name;
}

TcbStatus converge_tcb_status(TcbStatus platform, TcbStatus part) {
    if (part == TcbStatus::revoked || platform == TcbStatus::revoked) return TcbStatus::revoked;
    if (part == TcbStatus::up_to_date) return platform;
    switch (platform) {
        case TcbStatus::configuration_needed:
        case TcbStatus::configuration_and_sw_hardening_needed:
        case TcbStatus::out_of_date_configuration_needed:
            return TcbStatus::out_of_date_configuration_needed;
        default:
            return TcbStatus::out_of_date;
    }
}

Result<const SvnLevel*> find_level(const std::vector<SvnLevel>& levels, uint16_t isvsvn) {
    for (const SvnLevel& level : levels) {
        if (isvsvn >= level.isvsvn) return &level;
    }
    return fail(Code::not_found, "version {} is older than all listed ones", isvsvn);
}

Result<const TdxModule*> TcbInfo::find_module(uint8_t major) const {
    if (major == 0) return &module;
    std::string id = fmt::format("TDX_{:02X}", major);
    for (const TdxModule& one : modules) {
        if (equal_ignore_case(one.id, id)) return &one;
    }
    return fail(Code::not_found, "no module {} is listed", id);
}

Result<TcbInfo> parse_tcb_info(std::string_view json, IntelTee tee) {
    Json document = TRY(parse_json_object(json));
    TRY(expect_kind(document, tee_terms(tee).tcb_info_id, 3));
    if (TRY(json_integer(document, "tcbType")) != 0) {
        return fail(Code::invalid, "a tcbType other than 0");
    }
    TcbInfo out;
    out.issued = TRY(time_member(document, "issueDate"));
    out.next_update = TRY(time_member(document, "nextUpdate"));
    out.evaluation = TRY(number_member(document, "tcbEvaluationDataNumber", UINT32_MAX));
    out.fmspc = TRY(hex_member<6>(document, "fmspc"));
    out.pceid = TRY(hex_member<2>(document, "pceId"));
    if (tee == IntelTee::tdx) TRY(parse_modules(document, out));
    for (const Json& level : *TRY(json_array(document, "tcbLevels"))) {
        out.levels.push_back(TRY(parse_level(level, tee)));
    }
    if (out.levels.empty()) return fail(Code::invalid, "no tcbLevels");
    return out;
}

Result<QeIdentity> parse_qe_identity(std::string_view json, IntelTee tee) {
    Json document = TRY(parse_json_object(json));
    TRY(expect_kind(document, tee_terms(tee).qe_identity_id, 2));
    QeIdentity out;
    out.issued = TRY(time_member(document, "issueDate"));
    out.next_update = TRY(time_member(document, "nextUpdate"));
    out.evaluation = TRY(number_member(document, "tcbEvaluationDataNumber", UINT32_MAX));
    // MISCSELECT is little-endian in a report; its hex form has the report's order.
    auto miscselect = TRY(hex_member<4>(document, "miscselect"));
    auto miscselect_mask = TRY(hex_member<4>(document, "miscselectMask"));
    out.miscselect = TRY(Reader(miscselect).u32_le("miscselect"));
    out.miscselect_mask = TRY(Reader(miscselect_mask).u32_le("miscselectMask"));
    out.attributes = TRY(hex_member<16>(document, "attributes"));
    out.attributes_mask = TRY(hex_member<16>(document, "attributesMask"));
    out.mrsigner = TRY(hex_member<32>(document, "mrsigner"));
    out.isvprodid = TRY(u16_member(document, "isvprodid"));
    out.levels = TRY(parse_svn_levels(document));
    return out;
}

}  // namespace vouchsafe::evidence
