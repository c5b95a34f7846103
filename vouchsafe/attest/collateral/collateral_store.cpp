#include "vouchsafe/attest/collateral/collateral_store.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "vouchsafe/attest/collateral/fetch_backoff.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/base/log.h"

namespace vouchsafe::attest {

namespace {

// within is false also for a time in the future: a clock that was set back makes everything look
// old rather than young for ever.
bool within(Time since, Time now, Seconds span) {
    return since <= now && now < since + span;
}

// A piece at hand, or why there is none.
struct Needed {
    PiecePtr piece;
    std::string why;
};

// Joined is what was verified together.
struct Joined {
    TdxParts parts;
    std::shared_ptr<const evidence::VerifiedTdxCollateral> collateral;
    UsedDocuments used;
};

}  // namespace

struct CollateralStore::Impl {
    Impl(CollateralConfig settings, std::optional<CollateralPack> folder,
         evidence::TrustAnchors roots, const Clock& time, FetchUrl get)
        : config(std::move(settings)),
          pack(std::move(folder)),
          anchors(std::move(roots)),
          clock(time),
          fetch(std::move(get)) {}
    ~Impl();

    Needed need(const CollateralName& name);
    // held_in_force asks nobody; nullptr if it is not at hand.
    PiecePtr held_in_force(const CollateralName& name);
    HeldTdx intel(evidence::IntelTee tee, const Fmspc& fmspc, PckCa ca);
    Json freshness();
    void hold(VerifiedPiece piece) {
        CollateralName name = piece.name();
        held[name] = std::make_shared<const VerifiedPiece>(std::move(piece));
    }
    void start_renewing() {
        renewer = std::thread([this] { renew(); });
    }

  private:
    using Lock = std::unique_lock<std::mutex>;

    // All of these with the lock held.
    void look_into_folder(Time now);
    PiecePtr find(const CollateralName& name) const;
    bool due(const PiecePtr& piece, Time now) const;
    bool may_ask(const CollateralName& name, Time now, std::string& why);
    void ask(const CollateralName& name, Lock& lock);  // releases it meanwhile
    void take(VerifiedPiece piece, bool saved);

    // Without it.
    FetchOutcome ask_and_save(const CollateralName& name, const PiecePtr& held,
                              const PiecePtr& root_crl, Time now, bool& saved) const;
    void renew();

    const CollateralConfig config;
    const std::optional<CollateralPack> pack;  // without one `held` is all there is
    const evidence::TrustAnchors anchors;
    const Clock& clock;
    const FetchUrl fetch;

    std::mutex mutex;
    std::condition_variable answered;  // a request ended
    std::condition_variable work;      // something is to be renewed, or it is time to stop
    std::map<CollateralName, PiecePtr> held;
    std::set<CollateralName> unsaved;  // verified, but the folder could not be written
    std::vector<CollateralProblem> problems;
    std::string fingerprint;
    std::optional<Time> looked, loaded;
    FetchBackoff backoff{config};
    std::set<CollateralName> asked;  // under way
    std::set<CollateralName> old;    // to be renewed
    std::map<std::tuple<evidence::IntelTee, Fmspc, PckCa>, Joined> joined;
    bool stop = false;
    std::thread renewer;
};

CollateralStore::Impl::~Impl() {
    {
        Lock lock(mutex);
        stop = true;
        work.notify_all();
    }
    if (renewer.joinable()) renewer.join();
}

PiecePtr CollateralStore::Impl::find(const CollateralName& name) const {
    auto found = held.find(name);
    return found == held.end() ? nullptr : found->second;
}

void CollateralStore::Impl::look_into_folder(Time now) {
    // What did not verify may do so later (a clock that was behind): it is looked at again.
    constexpr Seconds kAgain{60};
    if (!pack) return;
    if (looked && within(*looked, now, config.rescan)) return;
    looked = now;
    bool again = !problems.empty() && !within(*loaded, now, kAgain);
    if (loaded && !again && pack->fingerprint() == fingerprint) return;
    loaded = now;
    VerifiedCollateral found = pack->load_verified(anchors, now);
    fingerprint = std::move(found.fingerprint);
    problems = std::move(found.problems);
    std::map<CollateralName, PiecePtr> fresh;
    for (VerifiedPiece& piece : found.pieces) {
        CollateralName name = piece.name();
        fresh[name] = std::make_shared<const VerifiedPiece>(std::move(piece));
    }
    for (const CollateralName& name : unsaved) {
        PiecePtr& there = fresh[name];
        if (!there || there->older_than(*held[name])) there = held[name];
    }
    held = std::move(fresh);
    for (const CollateralProblem& problem : problems) {
        log_event(LogLevel::warn, "collateral that is of no use",
                  {{"name", problem.name}, {"problem", problem.why}});
    }
}

bool CollateralStore::Impl::due(const PiecePtr& piece, Time now) const {
    const auto& fetched = piece->piece().fetched;
    return !fetched || !within(*fetched, now, config.refresh);
}

bool CollateralStore::Impl::may_ask(const CollateralName& name, Time now, std::string& why) {
    if (url_of(name, config).empty()) {
        why += "; it is fetched from nowhere";
        return false;
    }
    if (const std::string* problem = backoff.blocked(name, now)) {
        why += "; " + *problem;
        return false;
    }
    if (!backoff.has_room(name, now)) {
        why += "; too many others could not be fetched lately";
        return false;
    }
    return true;
}

FetchOutcome CollateralStore::Impl::ask_and_save(const CollateralName& name, const PiecePtr& known,
                                                 const PiecePtr& root_crl, Time now,
                                                 bool& saved) const {
    const PieceTerms terms{anchors, root_crl ? &*root_crl->crl() : nullptr, now};
    Checks checks;
    FetchOutcome out = fetch_piece(name, config, fetch, terms, checks);
    if (!out.piece) return out;
    if (known) {
        if (auto newer = check_not_older(*out.piece, *known, checks); !newer) {
            out.piece = fail(newer.error());
            return out;
        }
    }
    auto kept = pack->keep({&*out.piece, 1}, terms, Replace::older);
    saved = kept.has_value();
    if (!kept) {
        log_event(LogLevel::warn, "collateral cannot be written to its folder",
                  {{"name", name.text()}, {"problem", kept.error().message}});
    } else if (kept->front().older) {
        // Another process was quicker and got a newer one: that is taken from the folder.
        saved = false;
        out.piece = fail(Code::conflict, "{} is older than what is there", name.text());
    }
    return out;
}

void CollateralStore::Impl::take(VerifiedPiece piece, bool saved) {
    CollateralName name = piece.name();
    held[name] = std::make_shared<const VerifiedPiece>(std::move(piece));
    if (saved) {
        unsaved.erase(name);
    } else {
        unsaved.insert(name);
    }
}

void CollateralStore::Impl::ask(const CollateralName& name, Lock& lock) {
    struct Asking {  // ends also if there is no memory
        Asking(Impl& owner, const CollateralName& what, Lock& lent)
            : impl(owner), name(what), lock(lent) {
            impl.asked.insert(name);
            lock.unlock();
        }
        ~Asking() {
            if (!lock.owns_lock()) lock.lock();
            impl.asked.erase(name);
            impl.answered.notify_all();
        }
        Impl& impl;
        const CollateralName name;
        Lock& lock;
    };
    const PiecePtr known = find(name);
    const PiecePtr root_crl = find(CollateralName::root_crl());
    const Time now = clock.now();
    Asking asking(*this, name, lock);
    bool saved = false;
    FetchOutcome outcome = ask_and_save(name, known, root_crl, now, saved);
    lock.lock();
    if (outcome.piece) {
        backoff.succeeded(name);
        take(std::move(*outcome.piece), saved);
        return;
    }
    looked.reset();
    backoff.failed(name, outcome, now);
    log_event(LogLevel::warn, "collateral cannot be fetched",
              {{"name", name.text()},
               {"problem", outcome.piece.error().message},
               {"older_one_serves", known && known->in_force(now)}});
}

Needed CollateralStore::Impl::need(const CollateralName& name) {
    Lock lock(mutex);
    for (bool tried = false;; tried = true) {
        const Time now = clock.now();
        look_into_folder(now);
        PiecePtr piece = find(name);
        const bool serves = piece && piece->in_force(now);
        if (serves && !due(piece, now)) return {piece, {}};
        std::string why =
            piece ? fmt::format("it is in force from {} to {}", format_rfc3339(piece->valid_from()),
                                format_rfc3339(piece->valid_to()))
                  : "it is not there";
        if (serves) {
            if (!asked.contains(name) && may_ask(name, now, why)) {
                old.insert(name);
                work.notify_all();
            }
            return {piece, {}};
        }
        if (asked.contains(name)) {
            answered.wait(lock, [&] { return !asked.contains(name); });
            continue;
        }
        if (!may_ask(name, now, why) || tried) return {nullptr, why};
        ask(name, lock);
    }
}

void CollateralStore::Impl::renew() {
    Lock lock(mutex);
    for (;;) {
        work.wait(lock, [&] { return stop || !old.empty(); });
        if (stop) return;
        CollateralName name = *old.begin();
        old.erase(old.begin());
        const Time now = clock.now();
        PiecePtr piece = find(name);
        std::string why;
        if (asked.contains(name) || (piece && !due(piece, now)) || !may_ask(name, now, why)) {
            continue;
        }
        ask(name, lock);
    }
}

PiecePtr CollateralStore::Impl::held_in_force(const CollateralName& name) {
    Lock lock(mutex);
    const Time now = clock.now();
    PiecePtr piece = find(name);
    return piece && piece->in_force(now) ? piece : nullptr;
}

HeldTdx CollateralStore::Impl::intel(evidence::IntelTee tee, const Fmspc& fmspc, PckCa ca) {
    HeldTdx out;
    if (!anchors.intel) {
        out.missing.push_back({"intel", "no root of Intel's is pinned"});
        return out;
    }
    auto get = [&](const CollateralName& name) {
        Needed needed = need(name);
        if (!needed.piece) out.missing.push_back({name.text(), needed.why});
        return needed.piece;
    };
    TdxParts parts{tee, get(CollateralName::root_crl()), get(CollateralName::pck_crl(ca)),
                   get(CollateralName::tcb_info(fmspc, tee)),
                   get(CollateralName::qe_identity(tee))};
    for (const PiecePtr& piece :
         {parts.root_crl, parts.pck_crl, parts.tcb_info, parts.qe_identity}) {
        if (piece) out.pieces.push_back(piece);
    }
    const Time now = clock.now();
    const std::tuple key(tee, fmspc, ca);
    {
        Lock lock(mutex);
        auto known = joined.find(key);
        if (known != joined.end() && known->second.parts == parts &&
            known->second.collateral->valid_from() <= now &&
            now <= known->second.collateral->valid_to()) {
            out.collateral = known->second.collateral;
            out.used = known->second.used;
            return out;
        }
    }
    Checks checks;
    auto verified = evidence::verify_tdx_collateral(join(parts), anchors, now, checks);
    if (!verified) {
        out.refused = verified.error();
        return out;
    }
    out.collateral = std::make_shared<const evidence::VerifiedTdxCollateral>(std::move(*verified));
    out.used = used_documents(parts);
    if (!parts.tcb_info) return out;  // of a platform that may be made up: not kept
    Lock lock(mutex);
    joined[key] = {parts, out.collateral, out.used};
    return out;
}

Json CollateralStore::Impl::freshness() {
    Lock lock(mutex);
    const Time now = clock.now();
    look_into_folder(now);
    Json out{{"pieces", Json::array()}, {"problems", Json::array()}};
    for (const auto& [name, piece] : held) out["pieces"].push_back(describe_piece(*piece, now));
    auto add = [&](const std::string& name, const std::string& why) {
        out["problems"].push_back({{"name", name}, {"why", why}});
    };
    for (const CollateralProblem& problem : problems) add(problem.name, problem.why);
    for (const auto& [name, why] : backoff.failing()) add(name, why);
    return out;
}

CollateralStore::CollateralStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CollateralStore::~CollateralStore() = default;

Result<std::unique_ptr<CollateralStore>> CollateralStore::create(CollateralConfig config,
                                                                 CollateralPack pack,
                                                                 evidence::TrustAnchors anchors,
                                                                 const Clock& clock,
                                                                 FetchUrl fetch) {
    TRY(check_urls(config));
    bool online =
        !config.kds_url.empty() || !config.pcs_url.empty() || !config.root_crl_url.empty();
    if (online && !fetch) return fail(Code::invalid, "nothing fetches the configured URLs");
    auto impl = std::make_unique<Impl>(std::move(config), std::move(pack), std::move(anchors),
                                       clock, std::move(fetch));
    impl->freshness();  // reads the pack
    if (online) impl->start_renewing();
    return std::unique_ptr<CollateralStore>(new CollateralStore(std::move(impl)));
}

std::unique_ptr<CollateralStore> CollateralStore::of(std::vector<VerifiedPiece> pieces,
                                                     evidence::TrustAnchors anchors,
                                                     const Clock& clock) {
    auto impl = std::make_unique<Impl>(CollateralConfig{}, std::nullopt, std::move(anchors), clock,
                                       FetchUrl{});
    for (VerifiedPiece& piece : pieces) impl->hold(std::move(piece));
    return std::unique_ptr<CollateralStore>(new CollateralStore(std::move(impl)));
}

HeldSnp CollateralStore::snp_crls(evidence::SnpProduct product, evidence::SnpSigner signer) {
    std::vector<CollateralName> names = {CollateralName::amd_vcek_crl(product)};
    if (signer == evidence::SnpSigner::vlek) names.push_back(CollateralName::amd_vlek_crl(product));
    HeldSnp out;
    for (const CollateralName& name : names) {
        Needed needed = impl_->need(name);
        if (needed.piece) {
            out.crls.push_back(*needed.piece->crl());
            out.lists.push_back(needed.piece);
        } else {
            out.missing.push_back({name.text(), needed.why});
        }
    }
    if (signer == evidence::SnpSigner::vlek) return out;
    // The ARK signs both lists and nothing in them says which is which: one that came under the
    // other's name must not be overlooked.
    if (PiecePtr other = impl_->held_in_force(CollateralName::amd_vlek_crl(product))) {
        out.crls.push_back(*other->crl());
        out.lists.push_back(other);
    }
    return out;
}

HeldTdx CollateralStore::tdx(const Fmspc& fmspc, PckCa ca) {
    return impl_->intel(evidence::IntelTee::tdx, fmspc, ca);
}

HeldTdx CollateralStore::sgx(const Fmspc& fmspc, PckCa ca) {
    return impl_->intel(evidence::IntelTee::sgx, fmspc, ca);
}

Json CollateralStore::freshness() {
    return impl_->freshness();
}

Json describe_piece(const VerifiedPiece& piece, Time now) {
    const auto& fetched = piece.piece().fetched;
    Json out{{"name", piece.name().text()},
             {"valid_from", format_rfc3339(piece.valid_from())},
             {"valid_to", format_rfc3339(piece.valid_to())},
             {"in_force", piece.in_force(now)},
             {"fetched", fetched ? Json(format_rfc3339(*fetched)) : Json()},
             {"from", piece.piece().source.empty() ? Json() : Json(piece.piece().source)}};
    if (piece.evaluation() != 0) out["evaluation"] = piece.evaluation();
    return out;
}

}  // namespace vouchsafe::attest
