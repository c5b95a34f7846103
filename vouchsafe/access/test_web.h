// For tests: issuers of tokens, and a web that serves their key sets.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "vouchsafe/access/key_sets.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/jose/jwt.h"

namespace vouchsafe::access::testing {

// TestIssuer signs tokens and shows its public key.
struct TestIssuer {
    std::string kid;
    crypto::PrivateKey key;

    Json jwks() const {
        Json jwk = jose::encode_jwk(key.public_key());
        jwk["kid"] = kid;
        jwk["use"] = "sig";
        return {{"keys", Json::array({jwk})}};
    }
    std::string token(const Json& claims) const {
        return MUST(jose::mint_jwt({{"kid", kid}}, claims, key, crypto::SigAlg::rs256));
    }
};

// FakeWeb serves JSON documents by URL and counts. Any thread may fetch.
struct FakeWeb {
    std::map<std::string, Json> documents;
    std::map<std::string, int> fetched;
    std::mutex fetching;

    void serve(const std::string& base, const TestIssuer& issuer) {
        documents[base + "/.well-known/openid-configuration"] = {{"issuer", base},
                                                                 {"jwks_uri", base + "/certs"}};
        documents[base + "/certs"] = issuer.jwks();
    }
    FetchJson fetch() {
        return [this](const std::string& url) -> Result<Json> {
            std::lock_guard lock(fetching);
            ++fetched[url];
            auto found = documents.find(url);
            if (found == documents.end()) return fail(Code::unavailable, "{} is down", url);
            return found->second;
        };
    }
};

}  // namespace vouchsafe::access::testing
