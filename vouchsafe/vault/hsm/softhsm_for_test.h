// For the tests of vault/hsm/ alone: tokens of SoftHSM in a temporary folder. One at a time, as the
// module reads where they are from the environment of this process.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <p11-kit/pkcs11.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cstdlib>

#include "vouchsafe/base/file.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/vault/hsm/hsm.h"

namespace vouchsafe::vault {

inline constexpr const char* kSoftHsmModule = "/usr/lib/softhsm/libsofthsm2.so";
inline constexpr std::string_view kTestPin = "test-pin-4711";

inline constexpr HsmKeySpec kRsa2048{HsmKeyKind::rsa, 2048, {}};
inline constexpr HsmKeySpec kP256{HsmKeyKind::ec, 0, crypto::Curve::p256};
inline constexpr HsmKeySpec kAes256{HsmKeyKind::aes, 256, {}};

// Making an RSA key takes long: most tests take one of these two.
inline const crypto::PrivateKey& test_rsa_key(size_t which = 0) {
    static const crypto::PrivateKey keys[] = {MUST(crypto::PrivateKey::generate_rsa(2048)),
                                              MUST(crypto::PrivateKey::generate_rsa(2048))};
    return keys[which];
}

inline SecretBytes test_pin() {
    return SecretBytes::copy_of(kTestPin);
}
inline SharedPin shared_pin(std::string_view pin = kTestPin) {
    return std::make_shared<const SecretBytes>(SecretBytes::copy_of(pin));
}

// SoftHsmTest begins with one token, "vault".
class SoftHsmTest : public ::testing::Test {
  protected:
    SoftHsmTest() : dir_(MUST(TemporaryDir::create("softhsm"))) {
        std::filesystem::create_directory(dir_.path() / "tokens");
        const Path config = dir_.path() / "softhsm2.conf";
        const std::string text = fmt::format("directories.tokendir = {}\nlog.level = ERROR\n",
                                             (dir_.path() / "tokens").string());
        MUST(write_file(config, as_bytes(text), Overwrite::no));
        ::setenv("SOFTHSM2_CONF", config.c_str(), 1);
        add_token("vault");
    }

    void add_token(const std::string& label) {
        const std::string pin(kTestPin);
        const char* arguments[] = {"softhsm2-util", "--init-token", "--free",    "--label",
                                   label.c_str(),   "--pin",        pin.c_str(), "--so-pin",
                                   "so-pin-0815",   nullptr};
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
        pid_t child = 0;
        const int spawned = ::posix_spawnp(&child, arguments[0], &actions, nullptr,
                                           const_cast<char**>(arguments), environ);
        ::posix_spawn_file_actions_destroy(&actions);
        int status = -1;
        if (spawned == 0) ::waitpid(child, &status, 0);
        ASSERT_EQ(status, 0) << "softhsm2-util did not make a token: install softhsm2";
    }

    static HsmSettings settings(size_t sessions = 4) { return {kSoftHsmModule, "vault", sessions}; }
    static Hsm open_hsm(size_t sessions = 4) {
        return MUST(Hsm::open(settings(sessions), test_pin()));
    }
    static HsmKeyName fresh_name(std::string label = "key") {
        return {crypto::random_bytes(16), std::move(label)};
    }
    static HsmKey generate(const Hsm& hsm, const HsmKeySpec& spec,
                           Releasable releasable = Releasable::no) {
        return MUST(hsm.generate(spec, fresh_name(), releasable));
    }
    static HsmKey import_rsa(const Hsm& hsm, Releasable releasable = Releasable::no,
                             size_t which = 0) {
        return MUST(hsm.import_key(kRsa2048, test_rsa_key(which).to_pkcs8().expose(), fresh_name(),
                                   releasable));
    }

    TemporaryDir dir_;
};

}  // namespace vouchsafe::vault
