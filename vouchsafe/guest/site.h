// A site file: where this machine's TPM and services are, when they are not where Azure has them. A
// lab writes one for each of its machines; on a real confidential VM there is none.
//
//     {"ca_file": "tls-ca.pem", "connect_to": {"name:443": "127.0.0.1:40123"},
//      "tpm": "swtpm:path=...", "event_log": "eventlog.bin"}
//
// Every member is optional; relative paths are relative to the file. It changes addresses and roots
// of TLS, and no check.
#pragma once

#include "vouchsafe/guest/evidence_collector.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::guest {

struct Site {
    Machine machine;
    net::ClientOptions client;

    // load reads a site file. An unknown member is Code::invalid: a misspelt one would be silent.
    static Result<Site> load(const Path& file);
    // encode writes the text of a site file. Paths are written as they are.
    static std::string encode(const Path& ca_file,
                              const std::map<std::string, std::string>& connect_to,
                              const std::string& tcti, const Path& event_log);
};

}  // namespace vouchsafe::guest
