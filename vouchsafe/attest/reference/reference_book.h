// The reference values of one attestation service: every version of every set, kept in the store.
// What another process changed there counts from the next request on.
#pragma once

#include <memory>
#include <mutex>

#include "vouchsafe/attest/policy/signed_document.h"
#include "vouchsafe/attest/reference/reference_set.h"
#include "vouchsafe/store/store.h"

namespace vouchsafe::attest {

// ReferenceDocument is a document as it came, read. Whether its signer counts is check_signer's.
struct ReferenceDocument {
    SignedDocument signed_document;
    ReferenceSet set;
    std::string digest;  // SHA-256 of the payload, hex

    // read takes a JWS in any of the forms of SignedDocument, or the bare JSON, which nobody signed
    // then. Code::invalid.
    static Result<ReferenceDocument> read(std::string_view body);
};

// StoredReference is one version with who set it.
struct StoredReference {
    ReferenceDocument document;
    std::string actor;
    Time when;
};

// ReferenceChange is what a change replaced.
struct ReferenceChange {
    std::optional<uint64_t> old_version;  // the highest before, a removal's too; none: a new name
    std::string old_digest;
};

// ReferenceBook is thread-safe.
class ReferenceBook {
  public:
    using Sets = std::shared_ptr<const std::vector<ReferenceSet>>;

    // Borrows the store; `issuer` keeps the records of several services apart.
    ReferenceBook(store::Store& store, std::string issuer)
        : store_(store), issuer_(std::move(issuer)) {}

    // current returns all sets that were not removed, ordered by name, within their validity or
    // not, there or in the store now. They are the same object as long as nobody changes them.
    Result<Sets> current(store::View& view);
    Result<Sets> current();

    // change keeps a set or a removal, within the caller's transaction, so that the audit entry is
    // committed with it. Checks ATTEST-REFERENCE-VERSION and ATTEST-REFERENCE-LIMIT;
    // Code::not_found for removing what is not in force.
    Result<ReferenceChange> change(store::Transaction& tx, const ReferenceDocument& document,
                                   std::string_view actor, Time now, Checks& checks);

    // find returns a version of a set, by default the highest. Code::not_found.
    Result<StoredReference> find(store::View& view, std::string_view name,
                                 std::optional<uint64_t> version = std::nullopt) const;
    // highest returns the highest version of each name, ordered by name.
    Result<std::vector<StoredReference>> highest(store::View& view) const;

    // erase erases everything of an issuer, and returns how many records that were.
    static Result<size_t> erase(store::Transaction& tx, const std::string& issuer);

    static constexpr size_t kMaxSets = 64;            // in force
    static constexpr size_t kMaxNames = 512;          // removed ones included
    static constexpr uint64_t kMaxVersions = 1000;    // of one name
    static constexpr uint64_t kMaxBytes = 256 << 20;  // of all documents, as they came

  private:
    // Row is what is known of a name without its documents.
    struct Row {
        uint64_t version = 0;  // the highest
        uint64_t versions = 0;
        bool removed = false;
    };
    struct Named {
        std::string name;
        Row row;
    };
    // Total is rewritten with each change, so that it tells whether there was one.
    struct Total {
        uint64_t changes = 0;
        uint64_t bytes = 0;
        uint64_t names = 0;
        uint64_t sets = 0;  // in force
    };
    static Result<Row> read_row(ByteView bytes);
    Result<std::optional<Row>> row_of(store::View& view, std::string_view name) const;
    Result<std::vector<Named>> rows(store::View& view) const;
    Result<Total> total(store::View& view) const;
    Sets known_at(uint64_t changes);  // nullptr if they are not known
    // after counts a change in.
    static Total after(Total total, const ReferenceDocument& document,
                       const std::optional<Row>& old);
    static Result<void> check_limits(const Total& total, uint64_t versions, Checks& checks);

    store::Store& store_;
    const std::string issuer_;
    std::mutex mutex_;
    Sets known_;  // parsed before, at this number of changes
    uint64_t known_changes_ = 0;
};

}  // namespace vouchsafe::attest
