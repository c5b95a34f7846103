// Threads that wait, and who has others work meanwhile.
#pragma once

namespace vouchsafe {

// BlockingObserver is told of its threads, on those threads.
class BlockingObserver {
  public:
    virtual void begin_blocking() = 0;
    virtual void end_blocking() = 0;

  protected:
    ~BlockingObserver() = default;
};

// observe_blocking has the observer told of the calling thread from now on; nullptr: nobody. It
// borrows the observer.
void observe_blocking(BlockingObserver* observer);

// Blocking is a time in which the calling thread waits for something but the processor: a disk,
// another program, another thread. One within another counts as one. What is not announced so is
// noticed too, later: this is for what happens often.
class Blocking {
  public:
    Blocking();
    ~Blocking();
    Blocking(const Blocking&) = delete;
    Blocking& operator=(const Blocking&) = delete;
};

}  // namespace vouchsafe
