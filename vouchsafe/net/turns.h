// Whose handler runs, where so many may run at a time. Private to net/.
#pragma once

#include <list>
#include <mutex>
#include <optional>

#include "vouchsafe/net/crew.h"

namespace vouchsafe::net {

// Share is what one intake has of the turns. One that was added to a server has fewer.
struct Share {
    bool added = false;  // const once there are turns
    size_t running = 0;  // handlers; the Turns'
};

// Turns are those of one server. Who comes when it is not his turn waits, and has it before those
// who come later, unless the limits of intakes that were added keep him waiting longer: one of them
// has half of the turns at most, and all together leave a quarter free. Thread-safe.
class Turns {
  public:
    explicit Turns(size_t most);

    // take: it is the share's turn at once, and give() must follow.
    bool take(Share& share);
    // wait is take for who waits if need be. It returns `resume` if it is his turn at once. The
    // share outlives the waiting.
    std::optional<Resume> wait(Share& share, Resume resume);
    // give ends a turn. If another begins by that, it returns who waited for it.
    std::optional<Resume> give(Share& share);

  private:
    struct Waiting {
        Share* share;
        Resume resume;
    };
    bool may_begin(const Share& share) const;
    void begin(Share& share);

    const size_t most_;
    const size_t most_added_;  // of all shares that were added
    const size_t most_each_;   // of one of these

    std::mutex mutex_;  // what follows, and Share::running
    size_t running_ = 0;
    size_t running_added_ = 0;
    std::list<Waiting> waiting_;
};

}  // namespace vouchsafe::net
