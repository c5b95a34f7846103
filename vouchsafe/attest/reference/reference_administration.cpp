#include "vouchsafe/attest/reference/reference_administration.h"

#include <charconv>

#include "vouchsafe/attest/policy/administrative_task.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::attest {

namespace {

constexpr std::string_view kReferenceForm = "ATTEST-REFERENCE-FORM";
constexpr const char* kReferenceSet = "x-vouchsafe-reference-set";

std::string_view status_of(const ReferenceSet& set, Time now) {
    if (set.not_before && now < *set.not_before) return "not yet";
    return now > set.not_after ? "ended" : "in force";
}

// The audit entry says what was to be changed into what, also where it was refused.
void record_document(audit::Entry& entry, const ReferenceDocument& document) {
    entry.resource = document.set.name;
    entry.details["version"] = document.set.version;
    entry.details["digest"] = document.digest;
}
void record_replaced(audit::Entry& entry, const ReferenceChange& change) {
    if (!change.old_version) return;
    entry.details["old-version"] = *change.old_version;
    entry.details["old-digest"] = change.old_digest;
}

std::string_view action_of(const ReferenceSet& set) {
    return set.removes ? "reference-values/remove" : "reference-values/set";
}

// next_removal is what a request without a document means: nobody signed it.
Result<ReferenceDocument> next_removal(const ReferenceBook& book, store::View& view,
                                       std::string_view name, Checks& checks) {
    uint64_t highest = TRY(book.find(view, name)).document.set.version;
    TRY(checks.require(highest < kMaxRemovalVersion, "ATTEST-REFERENCE-VERSION", "version",
                       fmt::format("below {}, so that a removal can follow", kMaxRemovalVersion),
                       std::to_string(highest)));
    return ReferenceDocument::read(dump_json(reference_removal(name, highest + 1)));
}

Result<ReferenceDocument> read_change(AdministrativeTask& task, const std::string& name,
                                      bool removes) {
    if (removes && task.request.body.empty()) {
        std::optional<ReferenceDocument> out;
        TRY(task.service.deps.store.read([&](store::View& view) -> Result<void> {
            out = TRY(next_removal(*task.service.references, view, name, task.checks));
            return {};
        }));
        return std::move(*out);
    }
    auto document = TRY(task.readable(ReferenceDocument::read(task.request.body), "body",
                                      "a document of reference values"));
    TRY(task.checks.require(document.set.name == name, kReferenceForm, "name",
                            "the one in the path", show_json(document.set.name)));
    TRY(task.checks.require(document.set.removes == removes, kReferenceForm, "remove",
                            removes ? "true" : "absent", document.set.removes ? "true" : "absent"));
    return document;
}

net::Response change_reference(Service::Impl& service, const net::Request& request, bool removes) {
    return run_task(
        service, request, removes ? "reference-values/remove" : "reference-values/set",
        kReferenceForm, [&](AdministrativeTask& task) -> Result<Json> {
            const std::string& name = request.params.at("name");
            task.entry.resource = name.substr(0, kMaxReferenceName);
            TRY(task.authorize(removes ? Actions(kDeletes) : kWrites));
            ReferenceDocument document = TRY(read_change(task, name, removes));
            record_document(task.entry, document);
            Time now = service.deps.clock.now();
            TRY(task.commit([&](store::Transaction& tx) -> Result<void> {
                if (task.by_signers()) TRY(task.check_signature(tx, document.signed_document));
                auto change = TRY(
                    service.references->change(tx, document, task.entry.actor, now, task.checks));
                record_replaced(task.entry, change);
                return {};
            }));
            return Json{{kReferenceSet,
                         describe_reference({std::move(document), task.entry.actor, now}, now)}};
        });
}

Result<std::optional<uint64_t>> wanted_version(AdministrativeTask& task) {
    const std::string* text = task.request.query_value("version");
    if (text == nullptr) return std::optional<uint64_t>{};
    uint64_t version = 0;
    auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), version);
    bool right = error == std::errc() && end == text->data() + text->size() &&
                 task.request.query_count("version") == 1;
    TRY(task.checks.require(right, kReferenceForm, "version", "a number, once", show_json(*text)));
    return std::optional<uint64_t>(version);
}

// commit_as_operator: whoever has the store's file needs no role, but signers are not bypassed.
Result<ReferenceChange> commit_as_operator(const OperatorDesk& desk, store::Transaction& tx,
                                           ReferenceBook& book, const ReferenceDocument& document) {
    auto policies = TRY(PolicyBook::create(desk.store, desk.issuer, {}));
    auto signers = TRY(policies->signers(tx));
    Checks checks;
    if (!signers.empty()) {
        TRY(check_signer(document.signed_document, signers, desk.now, checks));
    }
    audit::Entry entry;
    entry.time = desk.now;
    entry.actor = "operator";
    entry.action = action_of(document.set);
    entry.request_id = crypto::random_uuid();
    entry.details = {{"issuer", desk.issuer}};
    auto change = TRY(book.change(tx, document, entry.actor, desk.now, checks));
    record_document(entry, document);
    record_replaced(entry, change);
    entry.checks = checks.list();
    audit::Log log(desk.store);
    TRY(log.append(tx, entry));
    return change;
}

}  // namespace

Json describe_reference(const StoredReference& stored, Time now) {
    const ReferenceSet& set = stored.document.set;
    Json out = {{"name", set.name},
                {"version", set.version},
                {"digest", stored.document.digest},
                {"set-by", stored.actor},
                {"set-at", format_rfc3339(stored.when)},
                {"removed", set.removes}};
    if (set.removes) return out;
    if (set.not_before) out["not-before"] = format_rfc3339(*set.not_before);
    out["not-after"] = format_rfc3339(set.not_after);
    out["status"] = status_of(set, now);
    out["evidence"] = Json::array();
    for (policy::AttestationTarget target : set.evidence) {
        out["evidence"].push_back(policy::target_name(target));
    }
    return out;
}

net::Response list_references(Service::Impl& service, const net::Request& request) {
    return run_task(service, request, "reference-values/list", kReferenceForm,
                    [&](AdministrativeTask& task) -> Result<Json> {
                        TRY(task.authorize(kReads));
                        Json sets = Json::array();
                        TRY(service.deps.store.read([&](store::View& view) -> Result<void> {
                            for (const auto& one : TRY(service.references->highest(view))) {
                                sets.push_back(describe_reference(one, service.deps.clock.now()));
                            }
                            return {};
                        }));
                        return Json{{"x-vouchsafe-reference-sets", std::move(sets)}};
                    });
}

net::Response get_reference(Service::Impl& service, const net::Request& request) {
    return run_task(service, request, "reference-values/get", kReferenceForm,
                    [&](AdministrativeTask& task) -> Result<Json> {
                        const std::string& name = request.params.at("name");
                        task.entry.resource = name.substr(0, kMaxReferenceName);
                        TRY(task.authorize(kReads));
                        auto version = TRY(wanted_version(task));
                        Json out;
                        TRY(service.deps.store.read([&](store::View& view) -> Result<void> {
                            StoredReference stored =
                                TRY(service.references->find(view, name, version));
                            out = describe_reference(stored, service.deps.clock.now());
                            out["document"] = stored.document.signed_document.jws;
                            return {};
                        }));
                        return Json{{kReferenceSet, std::move(out)}};
                    });
}

net::Response put_reference(Service::Impl& service, const net::Request& request) {
    return change_reference(service, request, false);
}

net::Response delete_reference(Service::Impl& service, const net::Request& request) {
    return change_reference(service, request, true);
}

Result<ReferenceChange> change_as_operator(const OperatorDesk& desk,
                                           const ReferenceDocument& document) {
    ReferenceBook book(desk.store, desk.issuer);
    ReferenceChange out;
    TRY(desk.store.run([&](store::Transaction& tx) -> Result<void> {
        out = TRY(commit_as_operator(desk, tx, book, document));
        return {};
    }));
    return out;
}

Result<uint64_t> remove_as_operator(const OperatorDesk& desk, std::string_view name) {
    ReferenceBook book(desk.store, desk.issuer);
    uint64_t version = 0;
    TRY(desk.store.run([&](store::Transaction& tx) -> Result<void> {
        Checks checks;
        ReferenceDocument removal = TRY(next_removal(book, tx, name, checks));
        version = removal.set.version;
        TRY(commit_as_operator(desk, tx, book, removal));
        return {};
    }));
    return version;
}

}  // namespace vouchsafe::attest
