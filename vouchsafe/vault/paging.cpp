#include "vouchsafe/vault/paging.h"

namespace vouchsafe::vault {

// One record more than fits on the page is read, to know whether there is a next one.
Result<RecordPage> read_page(store::View& view, std::string_view table, const std::string& prefix,
                             const Page& page) {
    const std::string after = page.after.empty() ? "" : prefix + page.after;
    RecordPage out;
    out.records = TRY(view.scan(table, prefix, after, page.limit + 1));
    out.more = out.records.size() > page.limit;
    if (out.more) out.records.pop_back();
    return out;
}

Json list_answer(Json items, const Call& call, std::string_view path, const Page& page,
                 const RecordPage& read, size_t prefix_size) {
    Json next(nullptr);
    if (read.more) {
        next = next_link(call.address.base, path, *call.version, page,
                         std::string_view(read.records.back().key).substr(prefix_size));
    }
    return {{"value", std::move(items)}, {"nextLink", std::move(next)}};
}

}  // namespace vouchsafe::vault
