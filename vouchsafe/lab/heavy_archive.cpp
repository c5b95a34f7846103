#include "vouchsafe/lab/heavy_archive.h"

namespace vouchsafe::lab {

namespace {

// Types of an entry, in its mode (stat.h's S_IFMT).
constexpr unsigned kIsFolder = 0040000;
constexpr unsigned kIsFile = 0100000;
constexpr unsigned kIsLink = 0120000;

void pad_to_four(Bytes& out) {
    out.resize((out.size() + 3) / 4 * 4);
}

}  // namespace

// add writes magic, 13 fields of 8 hexadecimal digits, the name with its zero, and the content;
// name and content each end at a multiple of 4.
void BootArchive::add(const std::string& path, unsigned mode, unsigned owner, ByteView content) {
    const unsigned inode = next_++;
    append(out_, as_bytes(fmt::format("070701{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}"
                                      "{:08X}{:08X}{:08X}{:08X}",
                                      inode, mode, owner, owner, 1, 0, content.size(), 0, 0, 0, 0,
                                      path.size() + 1, 0)));
    append(out_, as_bytes(path));
    out_.push_back(0);
    pad_to_four(out_);
    append(out_, content);
    pad_to_four(out_);
}

void BootArchive::parents(const std::string& path) {
    for (size_t end = path.find('/'); end != std::string::npos; end = path.find('/', end + 1)) {
        std::string above = path.substr(0, end);
        if (folders_.insert(above).second) add(above, kIsFolder | 0755, 0, {});
    }
}

void BootArchive::folder(const std::string& path, unsigned mode, unsigned owner) {
    parents(path);
    folders_.insert(path);
    add(path, kIsFolder | mode, owner, {});
}

void BootArchive::file(const std::string& path, ByteView content, unsigned mode, unsigned owner) {
    parents(path);
    add(path, kIsFile | mode, owner, content);
}

void BootArchive::link(const std::string& path, std::string_view target) {
    parents(path);
    add(path, kIsLink | 0777, 0, as_bytes(target));
}

Bytes BootArchive::finish() {
    add("TRAILER!!!", 0, 0, {});
    return std::move(out_);
}

}  // namespace vouchsafe::lab
