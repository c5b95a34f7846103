#include "vouchsafe/lab/state_key.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace vouchsafe::lab {

namespace {

constexpr int kKeyFd = 3;  // its number in swtpm

// key_pipe holds the key for whoever reads the descriptor.
Result<UniqueFd> key_pipe(const SecretBytes& key) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        return fail(Code::io, "cannot make a pipe: {}", std::strerror(errno));
    }
    UniqueFd read(ends[0]);
    UniqueFd write(ends[1]);
    // A pipe takes so little at once.
    if (::write(write.get(), key.expose().data(), key.size()) != static_cast<ssize_t>(key.size())) {
        return fail(Code::io, "cannot write to a pipe: {}", std::strerror(errno));
    }
    return read;
}

}  // namespace

Result<UniqueFd> pass_state_key(Command& command, const SecretBytes* state_key) {
    if (state_key == nullptr) return UniqueFd();
    UniqueFd key = TRY(key_pipe(*state_key));
    command.fds.push_back({key.get(), kKeyFd});
    command.argv.insert(command.argv.end(),
                        {"--key", fmt::format("fd={},mode=aes-256-cbc,format=binary", kKeyFd)});
    return key;
}

}  // namespace vouchsafe::lab
