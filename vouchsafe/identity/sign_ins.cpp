#include "vouchsafe/identity/sign_ins.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::identity {

namespace {

constexpr size_t kCodeBytes = 32;
constexpr std::string_view kUserLetters = "BCDFGHJKLMNPQRSTVWXZ";  // RFC 8628, 6.1
constexpr size_t kUserLength = 8;

// make_room drops what is over, and the one that ends first if there are too many.
template <typename Map>
void make_room(Map& kept, Time now) {
    std::erase_if(kept, [&](const auto& one) { return one.second.until <= now; });
    if (kept.size() < kMaxSignIns) return;
    kept.erase(std::min_element(kept.begin(), kept.end(), [](const auto& a, const auto& b) {
        return a.second.until < b.second.until;
    }));
}

std::string random_code() {
    return encode_base64url(crypto::random_bytes(kCodeBytes));
}

// Bytes of 240 and over are thrown away: every letter is as likely as any other.
std::string random_user_code() {
    constexpr size_t kFair = 256 - 256 % kUserLetters.size();
    std::string out;
    while (out.size() < kUserLength) {
        const uint8_t byte = crypto::random_bytes(1).front();
        if (byte < kFair) out += kUserLetters[byte % kUserLetters.size()];
    }
    return out;
}

std::string normal_user_code(std::string_view typed) {
    std::string out;
    for (char letter : typed) {
        const bool lower = letter >= 'a' && letter <= 'z';
        if (letter != '-' && letter != ' ') out += lower ? static_cast<char>(letter - 32) : letter;
    }
    return out;
}

}  // namespace

std::string SignIns::begin(AuthorizationCode code, Time now) {
    std::string name = random_code();
    std::lock_guard lock(mutex_);
    make_room(codes_, now);
    codes_[name] = {std::move(code), now + kCodeLifetime};
    return name;
}

std::optional<AuthorizationCode> SignIns::take(const std::string& code, Time now) {
    std::lock_guard lock(mutex_);
    auto found = codes_.find(code);
    if (found == codes_.end()) return std::nullopt;
    auto kept = std::move(found->second);
    codes_.erase(found);
    if (kept.until <= now) return std::nullopt;
    return std::move(kept.what);
}

SignIns::Begun SignIns::begin_device(Device device, Time now) {
    Begun out{random_code(), random_user_code()};
    device.user_code = out.user_code;
    std::lock_guard lock(mutex_);
    make_room(devices_, now);
    devices_[out.device_code] = {std::move(device), now + kDeviceLifetime};
    return out;
}

bool SignIns::approve(std::string_view user_code, const std::string& user, Time now) {
    const std::string wanted = normal_user_code(user_code);
    std::lock_guard lock(mutex_);
    for (auto& [name, kept] : devices_) {
        if (kept.what.user_code != wanted || kept.until <= now || !kept.what.user.empty()) continue;
        kept.what.user = user;
        return true;
    }
    return false;
}

std::optional<Device> SignIns::take_device(const std::string& device_code, Time now) {
    std::lock_guard lock(mutex_);
    auto found = devices_.find(device_code);
    if (found == devices_.end() || found->second.until <= now) return std::nullopt;
    Device out = found->second.what;
    if (!out.user.empty()) devices_.erase(found);
    return out;
}

}  // namespace vouchsafe::identity
