#include "vouchsafe/net/pending.h"

#include "vouchsafe/net/call_handler.h"

namespace vouchsafe::net {

Response Pending::stepped(Response response) const {
    for (const Step& step : steps_) step(response);
    return response;
}

std::optional<Response> Pending::finish() const {
    std::optional<Response> response = guarded(request_, finish_);
    if (!response) return std::nullopt;
    return stepped(std::move(*response));
}

Response Pending::again() const {
    return stepped(guarded(request_, again_));
}

Response finished(Response response, Pending::Step step) {
    if (response.pending) {
        response.pending->then(std::move(step));
    } else {
        step(response);
    }
    return response;
}

}  // namespace vouchsafe::net
