// Types for secrets. Reading one is always the word `expose`: grep it and you have audited the
// project. No secret can be copied, printed, formatted, or compared with ==.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "vouchsafe/base/bytes.h"

namespace vouchsafe {

// wipe overwrites memory in a way the compiler does not remove.
void wipe(MutableByteView bytes);

// equal_ct compares in time that depends on the lengths only.
bool equal_ct(ByteView a, ByteView b);

// Secret<N> is a key of fixed size. Moving wipes the source; destruction wipes.
template <size_t N>
class Secret {
  public:
    Secret() { bytes_.fill(0); }
    ~Secret() { wipe(bytes_); }
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    Secret(Secret&& other) noexcept : bytes_(other.bytes_) { wipe(other.bytes_); }
    Secret& operator=(Secret&& other) noexcept {
        if (this == &other) return *this;
        bytes_ = other.bytes_;
        wipe(other.bytes_);
        return *this;
    }

    // from_bytes copies exactly N bytes.
    static Result<Secret> from_bytes(ByteView bytes) {
        if (bytes.size() != N) {
            return fail(Code::invalid, "a key of {} bytes was expected, got {}", N, bytes.size());
        }
        Secret out;
        std::memcpy(out.bytes_.data(), bytes.data(), N);
        return out;
    }

    std::span<const uint8_t, N> expose() const { return bytes_; }
    std::span<uint8_t, N> expose_mutable() { return bytes_; }

  private:
    std::array<uint8_t, N> bytes_;
};

// SecretBytes is a secret of any size: private keys, tokens, JSON with key material. Its memory is
// locked where the limit allows (see secret_memory()), left out of core dumps, zero in a forked
// child, and wiped when freed.
class SecretBytes {
  public:
    SecretBytes() = default;
    explicit SecretBytes(size_t size);  // zeros
    ~SecretBytes();
    SecretBytes(const SecretBytes&) = delete;
    SecretBytes& operator=(const SecretBytes&) = delete;
    SecretBytes(SecretBytes&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)),
          size_(std::exchange(other.size_, 0)),
          capacity_(std::exchange(other.capacity_, 0)) {}
    SecretBytes& operator=(SecretBytes&& other) noexcept;

    static SecretBytes copy_of(ByteView bytes);
    static SecretBytes copy_of(std::string_view text) { return copy_of(as_bytes(text)); }
    SecretBytes clone() const { return copy_of(expose()); }

    size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    ByteView expose() const { return {data_, size_}; }
    MutableByteView expose_mutable() { return {data_, size_}; }
    std::string_view expose_text() const { return as_text(expose()); }

    // truncate shortens to `size` bytes and wipes what is cut off. `size` <= size().
    void truncate(size_t size);

  private:
    uint8_t* data_ = nullptr;
    size_t size_ = 0;
    size_t capacity_ = 0;
};

// SecretPages is opened data, up to many GB: whole pages, huge where possible, not in core dumps,
// wiped before they are unmapped. Not locked: that would need a raised limit.
class SecretPages {
  public:
    SecretPages() = default;
    // allocate fails with Code::unavailable if there is no memory. The bytes are zero.
    static Result<SecretPages> allocate(size_t size);
    ~SecretPages();
    SecretPages(const SecretPages&) = delete;
    SecretPages& operator=(const SecretPages&) = delete;
    SecretPages(SecretPages&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)),
          size_(std::exchange(other.size_, 0)),
          mapped_(std::exchange(other.mapped_, 0)) {}
    SecretPages& operator=(SecretPages&& other) noexcept;

    size_t size() const { return size_; }
    ByteView expose() const { return {data_, size_}; }
    MutableByteView expose_mutable() { return {data_, size_}; }

    // truncate shortens the visible part and wipes what is cut off. `size` <= size().
    void truncate(size_t size);
    // grow lengthens it by zeros; the bytes may move, but leave nothing behind. `size` >= size().
    // Fails with Code::unavailable if there is no memory, and changes nothing then.
    Result<void> grow(size_t size);

  private:
    void release();
    uint8_t* data_ = nullptr;
    size_t size_ = 0;
    size_t mapped_ = 0;
};

// SecretMemory says how well secrets are protected in this process.
struct SecretMemory {
    bool locked = true;        // every SecretBytes so far could be locked into memory
    bool dumpable = true;      // false after harden_process
    bool swap_active = false;  // a swap device is in use
};
SecretMemory secret_memory();

// harden_process makes the process undumpable (other processes of the user cannot read its memory)
// and forbids core dumps. Call it first thing in main, after any exec.
Result<void> harden_process();

}  // namespace vouchsafe
