// SPDX-License-Identifier: Apache-2.0

/// A request that was checked and can be given to libcurl as it is.
struct PreparedRequest: Sendable {
    let target: RequestTarget
    let method: String
    /// `Name: value` lines, without line breaks.
    let headerLines: [String]
    let body: [UInt8]?
    /// The end of the whole exchange. It stays when the request waits or is sent a second time.
    let deadline: ContinuousClock.Instant
    let connectTimeout: Duration
    let maxWireBytes: Int
    let maxBodyBytes: Int
    let mayCutBody: Bool
    let isRepeatable: Bool
    let url: String

    /// Fields that say where the message goes or where it ends. Two opinions about that are how requests are
    /// smuggled.
    private static let framingFields: Set<String> = [
        "connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization", "te",
        "trailer",
        "transfer-encoding", "upgrade",
    ]

    init(_ request: HTTPRequest) throws(HTTPError) {
        target = try RequestTarget(request.url)
        guard !request.method.isEmpty, request.method.utf8.allSatisfy(\.isToken) else {
            throw HTTPError(.invalidRequest, "the method of a request is not a word")
        }
        // TRACE reflects credentials and CONNECT opens tunnels; the answer to HEAD would be waited for in
        // vain.
        guard !["CONNECT", "TRACE"].contains(request.method), request.method != "HEAD" || request.body == nil
        else {
            throw HTTPError(.invalidRequest, "the method of a request is one that the client does not send")
        }
        guard request.maxWireBytes >= 0, request.maxBodyBytes >= 0 else {
            throw HTTPError(.invalidRequest, "a limit of a request is negative")
        }
        method = request.method
        headerLines = try Self.lines(of: request)
        body = request.body ?? (request.method == "POST" ? [] : nil)
        for timeout in [request.timeout, request.connectTimeout] {
            // A day is more than any request may take, and fits libcurl's arithmetic everywhere.
            guard timeout > .zero, timeout <= .seconds(86_400) else {
                throw HTTPError(.invalidRequest, "a timeout of a request is not between 1 ms and a day")
            }
        }
        deadline = .now.advanced(by: request.timeout)
        connectTimeout = request.connectTimeout
        maxWireBytes = request.maxWireBytes
        maxBodyBytes = request.maxBodyBytes
        mayCutBody = request.mayCutBody
        isRepeatable = request.isRepeatable
        url = request.url
    }

    private static func lines(of request: HTTPRequest) throws(HTTPError) -> [String] {
        var lines: [String] = []
        lines.reserveCapacity(request.headers.count + 2)
        var hasContentType = false
        for (name, value) in request.headers {
            guard !name.isEmpty, name.utf8.allSatisfy(\.isToken) else {
                throw HTTPError(.invalidRequest, "the name of a header is not a word")
            }
            let lowercased = name.lowercased()
            guard !framingFields.contains(lowercased) else {
                throw HTTPError(.invalidRequest, "the header \(lowercased) is written by the client alone")
            }
            guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else {
                throw HTTPError(
                    .invalidRequest, "the value of the header \(lowercased) has a control character")
            }
            hasContentType = hasContentType || lowercased == "content-type"
            // libcurl removes a field that has nothing after its colon; a semicolon sends it empty.
            lines.append(value.utf8.allSatisfy(\.isBlank) ? "\(name);" : "\(name): \(value)")
        }
        if request.body != nil || request.method == "POST" {
            // Without these, libcurl would guess a type, and wait for permission to send a long body.
            if !hasContentType { lines.append("Content-Type:") }
            lines.append("Expect:")
        }
        return lines
    }
}

extension UInt8 {
    /// Whether it may be part of a method or of a header's name (RFC 9110, 5.6.2).
    fileprivate var isToken: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(self)
        }
    }
}
