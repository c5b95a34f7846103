// Sign-ins that are under way: codes that a browser carries to its application (RFC 6749, 4.1), and
// devices that wait for their user (RFC 8628). In memory: who was in the middle of one when the
// service ended begins again. Private to identity/.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/identity/oauth.h"

namespace vouchsafe::identity {

inline constexpr Seconds kCodeLifetime{600};    // RFC 6749, 4.1.2: at most ten minutes
inline constexpr Seconds kDeviceLifetime{900};  // as Azure's
inline constexpr size_t kMaxSignIns = 1000;     // of each kind; then the oldest ends

// AuthorizationCode is what an authorization code stands for.
struct AuthorizationCode {
    std::string user;  // object id
    std::string client_id;
    std::string redirect_uri;
    std::string challenge;  // of PKCE, S256
    std::string nonce;      // for the identity token, "" if none
    UserScopes scopes;
};

struct Device {
    std::string user;  // object id; "" until somebody signed in
    std::string user_code;
    std::string client_id;
    UserScopes scopes;
};

// SignIns is thread-safe.
class SignIns {
  public:
    // begin returns a fresh code of 256 random bits.
    std::string begin(AuthorizationCode code, Time now);
    // take gives a code's meaning once: whoever asks again, or too late, gets nullopt.
    std::optional<AuthorizationCode> take(const std::string& code, Time now);

    // begin_device makes the device's code, and the user's: eight letters, none of them a vowel.
    struct Begun {
        std::string device_code;
        std::string user_code;
    };
    Begun begin_device(Device device, Time now);
    // approve has the device of a user code signed in as `user`; false if there is none. Letter
    // case and hyphens do not count.
    bool approve(std::string_view user_code, const std::string& user, Time now);
    // take_device gives a device its user, once. While nobody signed in `user` is empty and the
    // device goes on waiting; nullopt: unknown, or too late.
    std::optional<Device> take_device(const std::string& device_code, Time now);

  private:
    template <typename T>
    struct Kept {
        T what;
        Time until;
    };
    std::mutex mutex_;
    std::map<std::string, Kept<AuthorizationCode>> codes_;
    std::map<std::string, Kept<Device>> devices_;
};

}  // namespace vouchsafe::identity
