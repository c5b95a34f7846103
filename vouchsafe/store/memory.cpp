#include "vouchsafe/store/memory.h"

#include <algorithm>

namespace vouchsafe::store {

namespace {

size_t size_of(const std::optional<Bytes>& value) {
    return value ? value->size() : 0;
}

size_t size_of(const std::vector<Record>& records) {
    size_t out = 0;
    for (const Record& record : records) out += record.key.size() + record.value.size();
    return out;
}

// Tables have no zero byte in their names, so no two questions are one text.
Bytes question_of(std::string_view kind, std::string_view table,
                  std::initializer_list<std::string_view> rest) {
    Bytes out = to_bytes(kind);
    out.insert(out.end(), table.begin(), table.end());
    for (std::string_view part : rest) {
        out.push_back(0);
        out.insert(out.end(), part.begin(), part.end());
    }
    return out;
}

}  // namespace

uint64_t Memory::moment() const {
    std::lock_guard lock(mutex_);
    return moment_;
}

bool Memory::is_unchanged(std::string_view table, uint64_t since) const {
    if (others_change_ > since) return false;
    const auto found = changes_.find(table);
    return found == changes_.end() || found->second <= since;
}

std::shared_ptr<const Memory::Answer> Memory::find(std::string_view table, const Bytes& question) {
    auto found = answers_.find(question);
    if (found == nullptr) return nullptr;
    std::lock_guard lock(mutex_);
    return is_unchanged(table, found->moment) ? found : nullptr;
}

void Memory::keep(const Bytes& question, Answer answer) {
    const size_t size = std::visit([](const auto& found) { return size_of(found); }, answer.found);
    if (size > kMaxRememberedSize) return;
    answers_.keep(question, std::make_shared<const Answer>(std::move(answer)));
}

void Memory::begin_change(std::string_view table) {
    if (!changing_.contains(table)) changing_.emplace(table);
}

void Memory::end_changes() {
    if (changing_.empty()) return;
    std::lock_guard lock(mutex_);
    ++moment_;
    for (const std::string& table : changing_) changes_[table] = moment_;
    changing_.clear();
}

void Memory::see_version(uint64_t version) {
    if (version_ == version) return;
    version_ = version;  // what was changed before the first one is not known either
    std::lock_guard lock(mutex_);
    others_change_ = ++moment_;
}

bool Memory::still_holds(const Basis& basis) const {
    if (!basis.complete) return false;
    std::lock_guard lock(mutex_);
    return std::ranges::all_of(basis.tables, [&](const std::string& table) {
        return !changing_.contains(table) && is_unchanged(table, basis.moment);
    });
}

RecallingView::RecallingView(Memory& memory, Snapshot snapshot, Basis& basis)
    : memory_(memory), snapshot_(std::move(snapshot)), basis_(basis) {
    basis_ = {};
    basis_.moment = memory_.moment();
    basis_.complete = true;
}

void RecallingView::note(std::string_view table) {
    if (std::ranges::find(basis_.tables, table) == basis_.tables.end()) {
        basis_.tables.emplace_back(table);
    }
}

Result<std::optional<Bytes>> RecallingView::get(std::string_view table, std::string_view key) {
    note(table);
    const Bytes question = question_of("get ", table, {key});
    if (const auto known = memory_.find(table, question)) {
        basis_.recalled = true;
        return std::get<std::optional<Bytes>>(known->found);
    }
    View* snapshot = TRY(snapshot_());
    auto out = TRY(snapshot->get(table, key));
    memory_.keep(question, {basis_.moment, out});
    return out;
}

Result<std::vector<Record>> RecallingView::scan(std::string_view table, std::string_view prefix,
                                                std::string_view after, size_t limit) {
    note(table);
    const Bytes question =
        question_of("scan ", table, {fmt::format("{} {}", limit, prefix.size()), prefix, after});
    if (const auto known = memory_.find(table, question)) {
        basis_.recalled = true;
        return std::get<std::vector<Record>>(known->found);
    }
    View* snapshot = TRY(snapshot_());
    auto out = TRY(snapshot->scan(table, prefix, after, limit));
    memory_.keep(question, {basis_.moment, out});
    return out;
}

// Nobody who judges asks for tables, and their names are no table's records.
Result<std::optional<std::string>> RecallingView::next_table(std::string_view after) {
    basis_.complete = false;
    View* snapshot = TRY(snapshot_());
    return snapshot->next_table(after);
}

}  // namespace vouchsafe::store
