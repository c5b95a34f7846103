#include "app/root_options.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>

#include "app/credential_options.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/root_ring.h"
#include "vouchsafe/device/tpm_root_keeper.h"
#include "vouchsafe/vault/hsm/hsm_root_keeper.h"
#include "vouchsafe/vault/records.h"

namespace vouchsafe::app {

namespace {

constexpr std::string_view kCredential = "credential:";
constexpr const char* kKeepers[] = {"file", "passphrase", "tpm", "pkcs11"};
constexpr uint32_t kPcrs = 24;

// FromFiles keeps under the passphrase of the first file and opens with each of them. They are read
// anew each time, so that a service follows to another passphrase.
class FromFiles final : public crypto::RootKeeper {
  public:
    explicit FromFiles(std::vector<std::string> files) : files_(std::move(files)) {}

    std::string_view name() const override { return "passphrase"; }

    Result<Json> keep(const Secret<crypto::kRootKeySize>& key) override {
        return TRY(under(files_.front()))->keep(key);
    }

    Result<Secret<crypto::kRootKeySize>> recover(const Json& kept) override {
        for (const std::string& file : files_) {
            auto key = TRY(under(file))->recover(kept);
            if (key || key.error().code != Code::bad_evidence) return key;
        }
        return fail(Code::bad_evidence,
                    "the passphrase in {} is not the one that keeps this root key",
                    fmt::join(files_, ", or in "));
    }

  private:
    // Read is what a file had, and the keeper that was made of it.
    struct Read {
        SecretBytes passphrase;
        std::unique_ptr<crypto::RootKeeper> keeper;
    };

    Result<crypto::RootKeeper*> under(const std::string& file) {
        SecretBytes passphrase = TRY(read_credential(file, "the passphrase"));
        Read& read = read_[file];
        if (read.keeper == nullptr || !equal_ct(read.passphrase.expose(), passphrase.expose())) {
            auto made = crypto::keep_under_passphrase(passphrase.clone());
            read.keeper = TRY(with_context(std::move(made), file));
            read.passphrase = std::move(passphrase);
        }
        return read.keeper.get();
    }

    const std::vector<std::string> files_;
    std::map<std::string, Read> read_;
};

// Following is the keeper that keeps, and all others that the options have enough for.
class Following final : public crypto::RootKeeper {
  public:
    Following(RootOptions options, std::shared_ptr<crypto::RootKeeper> first)
        : options_(std::move(options)), first_(std::move(first)) {}

    std::string_view name() const override { return first_->name(); }
    Result<Json> keep(const Secret<crypto::kRootKeySize>& key) override {
        return first_->keep(key);
    }
    Result<Secret<crypto::kRootKeySize>> recover(const Json& kept) override {
        return first_->recover(kept);
    }
    Result<crypto::RootKeeper*> opener(std::string_view kept_by) override {
        if (kept_by == first_->name()) return first_.get();
        auto& other = others_[std::string(kept_by)];
        if (other == nullptr) other = TRY(make_root_keeper(options_, kept_by));
        return other.get();
    }

  private:
    const RootOptions options_;
    const std::shared_ptr<crypto::RootKeeper> first_;
    std::map<std::string, std::shared_ptr<crypto::RootKeeper>> others_;
};

Result<std::vector<uint32_t>> parse_pcrs(const std::vector<std::string>& texts) {
    std::vector<uint32_t> out;
    for (const std::string& text : texts) {
        uint32_t pcr = kPcrs;
        const char* end = text.data() + text.size();
        if (std::from_chars(text.data(), end, pcr).ptr != end || pcr >= kPcrs) {
            return fail(Code::invalid, "--root-pcr is a number from 0 to {}, not '{}'", kPcrs - 1,
                        text);
        }
        out.push_back(pcr);
    }
    std::ranges::sort(out);
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

Result<void> check_complete(const HsmOptions& options) {
    if (!options.module.empty() && !options.token.empty() && !options.pin.empty()) return {};
    return fail(Code::invalid,
                "an HSM needs --hsm-module LIBRARY, --hsm-token LABEL and --hsm-pin FILE");
}

vault::HsmSettings hsm_settings(const HsmOptions& options) {
    vault::HsmSettings out;
    out.module = options.module;
    out.token = options.token;
    return out;
}

Result<std::shared_ptr<crypto::RootKeeper>> in_hsm(const RootOptions& options) {
    TRY(check_complete(options.hsm));
    vault::SharedPin pin = TRY(options.hsm.pins->read(options.hsm.pin));
    return TRY(vault::keep_in_hsm(hsm_settings(options.hsm), std::move(pin), options.label));
}

}  // namespace

Result<vault::SharedPin> PinFiles::read(const std::string& place) {
    std::lock_guard lock(mutex_);
    auto& known = read_[place];
    if (auto pin = known.lock()) return pin;
    auto pin = std::make_shared<const SecretBytes>(TRY(read_credential(place, "--hsm-pin")));
    known = pin;
    return vault::SharedPin(std::move(pin));
}

RootOptions::RootOptions() : tcti(device::kDefaultTcti) {}

void add_root_options(Command command, RootOptions& options) {
    Command group =
        command.group("Root key", "under which all keys and secrets lie; see docs/run/operate.md");
    group
        .option("--root", options.keeper,
                "who keeps it: a file of mode 0600, a passphrase, this machine's TPM, or an HSM "
                "(default: whoever does, at first the file)",
                "")
        .one_of({std::begin(kKeepers), std::end(kKeepers)});
    group.option("--root-passphrase", options.passphrases,
                 "file with the passphrase, mode 0600, or credential:NAME for one that systemd "
                 "hands over (repeat: the first keeps, each opens)",
                 "FILE");
    group.option("--root-tcti", options.tcti, "the TPM, as its software stack names it", "TCTI");
    group.option("--root-pcr", options.pcrs,
                 "the TPM gives the key while this register is as when it was sealed (repeat)",
                 "N");
    group.option("--root-label", options.label, "of the AES key in the HSM", "LABEL");
    group.option("--hsm-module", options.hsm.module, "PKCS#11 module of the HSM's maker, absolute",
                 "LIBRARY");
    group.option("--hsm-token", options.hsm.token, "the token's label", "LABEL");
    group.option("--hsm-pin", options.hsm.pin, "file with its user PIN, or credential:NAME",
                 "FILE");
}

Result<SecretBytes> read_credential(const std::string& place, std::string_view option) {
    if (!place.starts_with(kCredential)) {
        const auto checked = crypto::check_private_file(place);
        if (!checked && checked.error().code == Code::forbidden) {
            return fail(Code::forbidden, "{}: {} may be read by others: chmod 600", option, place);
        }
        if (!checked) {
            return fail(checked.error().code,
                        "{}: there is no such file that could be read. It names a file of mode "
                        "0600, or credential:NAME, and is never the secret itself",
                        option);
        }
        return with_context(read_secret_file(place), option);
    }
    const std::string name = place.substr(kCredential.size());
    const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
    if (folder == nullptr || name.empty() || name.find('/') != std::string::npos) {
        return fail(Code::invalid,
                    "{}: '{}' is a credential of systemd, and the service was given none of that "
                    "name: LoadCredential={}:FILE in its unit",
                    option, place, name.empty() ? "NAME" : name);
    }
    // systemd sees to who may read it.
    return with_context(read_secret_file((Path(folder) / name).string()), option);
}

Result<vault::Hsm> open_hsm(const HsmOptions& options) {
    TRY(check_complete(options));
    return vault::Hsm::open(hsm_settings(options), TRY(options.pins->read(options.pin)));
}

Result<std::shared_ptr<crypto::RootKeeper>> make_root_keeper(const RootOptions& options,
                                                             std::string_view name) {
    std::shared_ptr<crypto::RootKeeper> out;
    if (name == "file") {
        out = crypto::keep_in_file();
    } else if (name == "passphrase") {
        if (options.passphrases.empty()) {
            return fail(Code::invalid,
                        "the root key is kept under a passphrase: say with --root-passphrase FILE "
                        "where it is");
        }
        out = std::make_shared<FromFiles>(options.passphrases);
    } else if (name == "tpm") {
        out = device::keep_in_tpm(options.tcti, TRY(parse_pcrs(options.pcrs)));
    } else if (name == "pkcs11") {
        out = TRY(in_hsm(options));
    } else {
        return fail(Code::unsupported, "the root key is kept by \"{}\", which is not known", name);
    }
    return out;
}

Result<std::shared_ptr<crypto::RootKeeper>> open_root_keeper(const RootOptions& options,
                                                             const Path& directory) {
    std::string keeper = options.keeper.empty() ? "file" : options.keeper;
    auto state = crypto::inspect_root_file(directory / vault::kRootKeyFile);
    if (!state && state.error().code != Code::not_found) return fail(std::move(state.error()));
    if (state) {
        if (!options.keeper.empty() && options.keeper != state->keeper) {
            return fail(Code::conflict,
                        "--root is {0}, but the root key in {1} is kept by \"{2}\": say --root "
                        "{2}, or change it with 'vouchsafe vault rewrap-root --to {0}'",
                        options.keeper, directory.string(), state->keeper);
        }
        keeper = state->keeper;
    }
    auto first = TRY(make_root_keeper(options, keeper));
    if (!options.keeper.empty()) return first;
    return std::make_shared<Following>(options, std::move(first));
}

}  // namespace vouchsafe::app
