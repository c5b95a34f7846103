// For tests: a service that gives receipts, and its key to sign others with.
#pragma once

#include "vouchsafe/attest/provider_keys.h"
#include "vouchsafe/attest/receipt.h"
#include "vouchsafe/attest/test_service.h"

namespace vouchsafe::attest::testing {

struct ReceiptOffice {
    using Query = std::vector<std::pair<std::string, std::string>>;

    Running running;
    std::unique_ptr<jose::SigningKeys> signing;

    ReceiptOffice() {
        signing =
            MUST(open_signing_keys(running.config(), *running.store, running.log, running.clock));
    }

    net::Response ask(const std::string& type, const std::string& body, const Query& query,
                      const std::string& accept = "") {
        net::Request request;
        request.method = "POST";
        request.path = {"attest", type};
        request.query = {{"api-version", "2025-06-01"}};
        request.query.insert(request.query.end(), query.begin(), query.end());
        if (!accept.empty()) request.headers.set("Accept", accept);
        request.body = body;
        return running.service->handler()(request);
    }
    net::Response ask_snp(const Query& query, const std::string& accept = "") {
        return ask("SevSnpVm", dump_json(snp_request(Machine{})), query, accept);
    }

    // Granted is a token with its receipt.
    struct Granted {
        std::string token, receipt;
        Json payload() const {
            return MUST(parse_json_object(as_text(MUST(jose::parse_jws(receipt)).payload)));
        }
    };
    Granted granted() {
        net::Response response = ask_snp({{"receipt", "true"}});
        Json body = MUST(parse_json_object(response.body));
        return {token_of(response), MUST(json_string(body, "x-vouchsafe-receipt"))};
    }
    // append_others makes the log grow by what does not matter here.
    void append_others(size_t count) {
        for (size_t i = 0; i < count; ++i) {
            audit::Entry entry;
            entry.action = "other";
            MUST(running.log.append(entry));
        }
    }

    // sign is what the service's operator could sign.
    std::string sign(const std::string& payload, const std::string& type) const {
        jose::SharedKeyRing ring = MUST(signing->current());
        const jose::RingKey& key = ring->signing(running.clock.now());
        return MUST(jose::sign_jws({{"kid", key.kid}, {"typ", type}}, as_bytes(payload),
                                   key.signer->key(), key.alg));
    }
    std::string sign(const Json& payload) const {
        return sign(dump_json(payload), std::string(kReceiptType));
    }

    jose::JwkSet keys() const { return MUST(jose::JwkSet::parse(MUST(running.service->jwks()))); }
    ReceiptRules rules() const {
        ReceiptRules out;
        out.issuer = running.config().issuer;
        out.now = running.clock.now();
        return out;
    }
    Result<VerifiedReceipt> verify(const std::string& receipt, const ReceiptRules& with) const {
        Checks checks;
        return verify_receipt(receipt, keys(), with, checks);
    }
    Result<VerifiedReceipt> verify(const std::string& receipt) const {
        return verify(receipt, rules());
    }
    // recorded compares with a log.
    Result<audit::TreeHead> recorded(const std::string& receipt, audit::Log& log) const {
        Checks checks;
        return verify_recorded({MUST(verify(receipt))}, log, checks);
    }
};

}  // namespace vouchsafe::attest::testing
