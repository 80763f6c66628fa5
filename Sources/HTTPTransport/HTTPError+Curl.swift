// SPDX-License-Identifier: Apache-2.0

import CCurl

extension HTTPError.Code {
    /// What a result of libcurl means to a caller.
    init(_ result: CURLcode) {
        switch result {
        case CURLE_URL_MALFORMAT: self = .invalidURL
        case CURLE_COULDNT_RESOLVE_HOST: self = .dns
        case CURLE_COULDNT_CONNECT: self = .connect
        case CURLE_OPERATION_TIMEDOUT: self = .timeout
        case CURLE_PARTIAL_FILE: self = .truncated
        case CURLE_GOT_NOTHING, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_HTTP2, CURLE_HTTP2_STREAM:
            self = .reset
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_PINNEDPUBKEYNOTMATCH,
            CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_CLIENTCERT, CURLE_SSL_ENGINE_NOTFOUND,
            CURLE_SSL_ENGINE_SETFAILED, CURLE_SSL_ENGINE_INITFAILED, CURLE_SSL_CRL_BADFILE,
            CURLE_SSL_SHUTDOWN_FAILED, CURLE_USE_SSL_FAILED:
            self = .tls
        case CURLE_OUT_OF_MEMORY, CURLE_FAILED_INIT: self = .unavailable
        case CURLE_FILESIZE_EXCEEDED: self = .bodyTooLarge
        // CURLE_TOO_LARGE, which the headers of libcurl name from 8.6 on.
        case CURLcode(rawValue: 100): self = .headersTooLarge
        default: self = .protocolViolation
        }
    }
}

extension HTTPError {
    /// The failure of an operation that has to do with no request.
    init(library result: CURLMcode, doing action: String) {
        self.init(
            .unavailable, "libcurl could not \(action): \(String(cString: curl_multi_strerror(result)))")
    }
}
