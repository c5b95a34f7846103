#include "vouchsafe/base/secret.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bitset>
#include <fstream>
#include <memory>
#include <mutex>
#include <new>

namespace vouchsafe {

namespace {

std::atomic<bool> g_all_locked{true};
std::atomic<bool> g_dumpable{true};

size_t round_up(size_t value, size_t unit) {
    return (value + unit - 1) / unit * unit;
}

constexpr size_t kHugePage = 2 << 20;

// mapped_size is how much SecretPages maps for `size` bytes: whole pages, huge ones from 2 MiB on.
size_t mapped_size(size_t size) {
    return round_up(size, size >= kHugePage ? kHugePage : 4096);
}

// Maps pages for small secrets: locked if the limit allows, never dumped, empty after fork.
uint8_t* map_secret(size_t size) {
    void* pages = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) throw std::bad_alloc();
    if (::mlock(pages, size) != 0) g_all_locked = false;
    ::madvise(pages, size, MADV_DONTDUMP);
    ::madvise(pages, size, MADV_WIPEONFORK);
    return static_cast<uint8_t*>(pages);
}

// Arena hands out runs of 64-byte granules from one locked mapping. What does not fit is mapped on
// its own. It lives until the process ends, because secrets may.
class Arena {
  public:
    static Arena& instance() {
        static Arena* arena = new Arena;
        return *arena;
    }

    uint8_t* allocate(size_t size) {
        size_t count = size / kGranule;
        if (count > kGranules / 4) return map_secret(round_up(size, kPage));
        std::lock_guard lock(mutex_);
        size_t run = 0;
        for (size_t i = first_free_; i < kGranules; ++i) {
            run = used_[i] ? 0 : run + 1;
            if (run < count) continue;
            size_t first = i + 1 - count;
            for (size_t k = first; k <= i; ++k) used_[k] = true;
            if (first == first_free_) first_free_ = i + 1;
            return pages_ + first * kGranule;
        }
        return map_secret(round_up(size, kPage));
    }

    void free(uint8_t* data, size_t size) {
        wipe({data, size});
        if (data < pages_ || data >= pages_ + kGranules * kGranule) {
            ::munmap(data, round_up(size, kPage));
            return;
        }
        std::lock_guard lock(mutex_);
        size_t first = static_cast<size_t>(data - pages_) / kGranule;
        for (size_t k = 0; k < size / kGranule; ++k) used_[first + k] = false;
        first_free_ = std::min(first_free_, first);
    }

    static constexpr size_t kGranule = 64;

  private:
    static constexpr size_t kPage = 4096;
    static constexpr size_t kGranules = 8192;  // 512 KiB

    uint8_t* pages_ = map_secret(kGranules * kGranule);
    std::mutex mutex_;
    std::bitset<kGranules> used_;
    size_t first_free_ = 0;  // all before it are used: what lives long comes to lie there
};

}  // namespace

void wipe(MutableByteView bytes) {
    if (bytes.empty()) return;
    std::memset(bytes.data(), 0, bytes.size());
    // The barrier tells the compiler that the memory is read afterwards.
    __asm__ __volatile__("" : : "r"(bytes.data()) : "memory");
}

bool equal_ct(ByteView a, ByteView b) {
    if (a.size() != b.size()) return false;
    volatile uint8_t difference = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        difference = static_cast<uint8_t>(difference | (a[i] ^ b[i]));
    }
    return difference == 0;
}

SecretBytes::SecretBytes(size_t size) : size_(size), capacity_(round_up(size, Arena::kGranule)) {
    if (capacity_ != 0) data_ = Arena::instance().allocate(capacity_);
}

SecretBytes::~SecretBytes() {
    if (data_ != nullptr) Arena::instance().free(data_, capacity_);
}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
    if (this == &other) return *this;
    if (data_ != nullptr) Arena::instance().free(data_, capacity_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
}

SecretBytes SecretBytes::copy_of(ByteView bytes) {
    SecretBytes out(bytes.size());
    if (!bytes.empty()) std::memcpy(out.data_, bytes.data(), bytes.size());
    return out;
}

void SecretBytes::truncate(size_t size) {
    wipe(expose_mutable().subspan(size));
    size_ = size;
}

Result<SecretPages> SecretPages::allocate(size_t size) {
    SecretPages out;
    if (size == 0) return out;
    size_t mapped = mapped_size(size);
    void* pages =
        ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        return fail(Code::unavailable, "no memory for {} bytes of opened data", size);
    }
    ::madvise(pages, mapped, MADV_DONTDUMP);
    if (mapped >= kHugePage) ::madvise(pages, mapped, MADV_HUGEPAGE);
    out.data_ = static_cast<uint8_t*>(pages);
    out.size_ = size;
    out.mapped_ = mapped;
    return out;
}

SecretPages::~SecretPages() {
    release();
}

SecretPages& SecretPages::operator=(SecretPages&& other) noexcept {
    if (this == &other) return *this;
    release();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    mapped_ = std::exchange(other.mapped_, 0);
    return *this;
}

void SecretPages::truncate(size_t size) {
    wipe(expose_mutable().subspan(size));
    size_ = size;
}

Result<void> SecretPages::grow(size_t size) {
    if (data_ == nullptr) {
        *this = TRY(allocate(size));
        return {};
    }
    if (size > mapped_) {
        size_t mapped = mapped_size(size);
        void* pages = ::mremap(data_, mapped_, mapped, MREMAP_MAYMOVE);  // moves pages, not bytes
        if (pages == MAP_FAILED) {
            return fail(Code::unavailable, "no memory for {} bytes of opened data", size);
        }
        if (mapped >= kHugePage) ::madvise(pages, mapped, MADV_HUGEPAGE);
        data_ = static_cast<uint8_t*>(pages);
        mapped_ = mapped;
    }
    size_ = size;
    return {};
}

void SecretPages::release() {
    if (data_ == nullptr) return;
    wipe(expose_mutable());
    ::munmap(data_, mapped_);
}

SecretMemory secret_memory() {
    SecretMemory out;
    out.locked = g_all_locked;
    out.dumpable = g_dumpable;
    std::ifstream swaps("/proc/swaps");
    std::string line;
    std::getline(swaps, line);  // the heading
    out.swap_active = static_cast<bool>(std::getline(swaps, line));
    return out;
}

Result<void> harden_process() {
    rlimit none{0, 0};
    if (::prctl(PR_SET_DUMPABLE, 0) != 0 || ::setrlimit(RLIMIT_CORE, &none) != 0) {
        return fail(Code::internal, "the process could not be made undumpable");
    }
    g_dumpable = false;
    return {};
}

}  // namespace vouchsafe
