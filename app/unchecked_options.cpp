#include "app/unchecked_options.h"

#include <algorithm>

namespace vouchsafe::app {

using namespace evidence;

Result<Unchecked> read_unchecked(std::string_view code,
                                 std::initializer_list<std::string_view> names,
                                 const std::vector<std::string>& allowed) {
    for (const std::string& name : allowed) {
        if (std::ranges::count(names, name) > 0) continue;
        return fail(Code::invalid, "--allow-unchecked takes {}, not {}", fmt::join(names, ", "),
                    name);
    }
    return Unchecked(code, {allowed.begin(), allowed.end()});
}

void add_crl_option(Command command, std::vector<std::string>& crls) {
    command.option("--crl", crls, "revocation list of an issuer in the path (repeat)", "FILE");
}

Result<std::vector<crypto::Crl>> read_crls(const std::vector<std::string>& crls) {
    std::vector<crypto::Crl> out;
    for (const std::string& file : crls) {
        Bytes bytes = TRY(read_evidence(file));
        out.push_back(TRY(with_context(crypto::Crl::parse_any(bytes), file)));
    }
    return out;
}

Result<std::vector<std::string>> check_revocation(std::span<const crypto::Certificate> path,
                                                  const std::vector<std::string>& crls,
                                                  const VerifyOptions& options, Time now,
                                                  Checks& checks) {
    Unchecked unchecked =
        TRY(read_unchecked("CERT-NOT-CHECKED", {kRevocation}, options.allow_unchecked));
    std::vector<crypto::Crl> lists = TRY(read_crls(crls));
    TRY(check_path_revocation(path, lists, unchecked, now, checks));
    return unchecked.list();
}

}  // namespace vouchsafe::app
