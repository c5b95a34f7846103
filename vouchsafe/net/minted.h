// TLS contexts of names whose certificates are made when they are asked for, and kept. Private to
// net/.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "vouchsafe/net/tls_context.h"

namespace vouchsafe::net {

// Minted is thread-safe.
class Minted {
  public:
    using Mint = std::function<Result<TlsIdentity>(const std::string& name)>;
    using Instant = std::chrono::steady_clock::time_point;

    // At most `most` are kept: the one that was asked for longest ago gives way. Each is made again
    // after a day, so that a process that runs for months has none that ended.
    Minted(Mint mint, size_t most) : mint_(std::move(mint)), most_(most) {}

    // take returns a name's context and has it made if there is none. Errors are those of `mint`,
    // and of make_server_context.
    Result<TlsContext> take(const std::string& name);

  private:
    struct Kept {
        TlsContext context;
        Instant made;
        Instant used;
    };
    TlsContext find(const std::string& name, Instant now);
    void keep(const std::string& name, TlsContext context, Instant now);

    const Mint mint_;
    const size_t most_;
    std::mutex mutex_;
    std::map<std::string, Kept> kept_;
};

}  // namespace vouchsafe::net
