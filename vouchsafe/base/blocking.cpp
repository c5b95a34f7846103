#include "vouchsafe/base/blocking.h"

namespace vouchsafe {

namespace {

struct Observed {
    BlockingObserver* by = nullptr;
    unsigned depth = 0;
};

thread_local Observed observed_thread;

}  // namespace

void observe_blocking(BlockingObserver* observer) {
    observed_thread.by = observer;
}

Blocking::Blocking() {
    if (++observed_thread.depth == 1 && observed_thread.by != nullptr) {
        observed_thread.by->begin_blocking();
    }
}

Blocking::~Blocking() {
    if (--observed_thread.depth == 0 && observed_thread.by != nullptr) {
        observed_thread.by->end_blocking();
    }
}

}  // namespace vouchsafe
