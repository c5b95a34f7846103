// Answers that wait for something without a thread, such as for a commit that many requests share.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "vouchsafe/net/message.h"

namespace vouchsafe::net {

// Pending is an answer that is not there yet (Response::pending). A handler may give one where
// Request::may_pend says so, and whoever set that does the steps below, each once. It borrows the
// request. What finish and again throw is answered with 500, as for handlers; what begin throws
// ends the process, for nobody knows what was begun. Not thread-safe.
class Pending {
  public:
    using Ready = std::function<void()>;
    using Begin = std::function<void(Ready)>;
    using Finish = std::function<std::optional<Response>()>;
    using Again = std::function<Response()>;
    using Step = std::function<void(Response&)>;

    // begin starts what the answer waits for, which calls what it is given once when it is there:
    // on any thread, or before begin returns. After that finish gives the answer without waiting
    // for anything, or nullopt: then `again` does, and may take as long as a handler.
    Pending(const Request& request, Begin begin, Finish finish, Again again)
        : request_(request),
          begin_(std::move(begin)),
          finish_(std::move(finish)),
          again_(std::move(again)) {}

    // then has every answer go through `step`, after those that were given before.
    void then(Step step) { steps_.push_back(std::move(step)); }

    void begin(Ready ready) const { begin_(std::move(ready)); }
    std::optional<Response> finish() const;
    Response again() const;

  private:
    Response stepped(Response response) const;

    const Request& request_;
    const Begin begin_;
    const Finish finish_;
    const Again again_;
    std::vector<Step> steps_;
};

// finished is the response after `step`, which may come later.
Response finished(Response response, Pending::Step step);

}  // namespace vouchsafe::net
