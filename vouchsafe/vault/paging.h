// Pages of lists (azure-api A.3): how records become one, and the link to the next. Private to
// vault/.
#pragma once

#include "vouchsafe/vault/operations.h"

namespace vouchsafe::vault {

struct RecordPage {
    std::vector<store::Record> records;
    bool more = false;
};

// read_page reads the records of `table` whose keys begin with `prefix`, from where `page` says.
Result<RecordPage> read_page(store::View& view, std::string_view table, const std::string& prefix,
                             const Page& page);

// list_answer is the body of the answer; `path` is that of the list, for its next page.
Json list_answer(Json items, const Call& call, std::string_view path, const Page& page,
                 const RecordPage& read, size_t prefix_size);

}  // namespace vouchsafe::vault
