// SPDX-License-Identifier: Apache-2.0

import CCurl

/// The parts of a URL that decide where a request goes, as libcurl itself reads them: a second parser could
/// disagree with it about the host, and so be led around the address policy.
struct RequestTarget: Sendable, Equatable {
    /// Longer than any cursor or token; URLs of this length are a mistake.
    static let maxByteCount = 64 * 1024

    /// The URL written anew from its parts.
    let url: String
    let isSecure: Bool
    /// In lower case; an IPv6 address in brackets.
    let host: String
    let port: Int

    /// `host:port`, for the address policy and for messages.
    var origin: String { "\(host):\(port)" }

    init(_ text: String) throws(HTTPError) {
        guard text.utf8.count <= Self.maxByteCount else {
            throw HTTPError(.invalidURL, "a URL of \(text.utf8.count) bytes is too long")
        }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw HTTPError(.invalidURL, "a URL has a character that must be percent-encoded")
        }
        guard let handle = curl_url() else {
            throw HTTPError(.unavailable, "libcurl has no memory for a URL")
        }
        defer { curl_url_cleanup(handle) }
        let result = curl_url_set(handle, CURLUPART_URL, text, UInt32(CURLU_DISALLOW_USER))
        guard result == CURLUE_OK else {
            let reason = String(cString: curl_url_strerror(result))
            throw HTTPError(.invalidURL, "a URL cannot be used: \(reason)")
        }
        let scheme = try Self.part(CURLUPART_SCHEME, of: handle).lowercased()
        guard ["http", "https"].contains(scheme) else {
            throw HTTPError(.invalidURL, "a URL has neither http nor https as its scheme")
        }
        guard let port = Int(try Self.part(CURLUPART_PORT, of: handle, UInt32(CURLU_DEFAULT_PORT))),
            (1...65535).contains(port)
        else { throw HTTPError(.invalidURL, "a URL has a port that does not exist") }
        isSecure = scheme == "https"
        host = try Self.part(CURLUPART_HOST, of: handle).lowercased()
        self.port = port
        url = try Self.part(CURLUPART_URL, of: handle)
    }

    private static func part(
        _ part: CURLUPart, of handle: OpaquePointer, _ flags: UInt32 = 0
    ) throws(HTTPError) -> String {
        var text: UnsafeMutablePointer<CChar>?
        let result = curl_url_get(handle, part, &text, flags)
        defer { curl_free(text) }
        guard result == CURLUE_OK, let text else {
            throw HTTPError(
                .invalidURL, "a URL cannot be used: \(String(cString: curl_url_strerror(result)))")
        }
        return String(cString: text)
    }
}
