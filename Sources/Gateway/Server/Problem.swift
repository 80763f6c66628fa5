// SPDX-License-Identifier: Apache-2.0

/// Why a request is refused, in words for who sent it (RFC 9457).
public struct Problem: Error, Sendable {
    /// The HTTP status, from 400 to 599.
    public let status: Int
    /// A word for programs, such as `unknown_integration`; it never changes its meaning.
    public let code: String
    /// A sentence that says what is wrong and what is allowed; nothing secret, nothing of the inside.
    public let detail: String
    /// Fields that belong to the status, such as `Retry-After`.
    public let headers: [(name: String, value: String)]
    /// Whether the connection ends, since the rest of the request was not read.
    let closesConnection: Bool

    /// A refusal.
    public init(
        _ status: Int, _ code: String, _ detail: String, headers: [(name: String, value: String)] = []
    ) {
        self.init(status, code, detail, headers: headers, closesConnection: false)
    }

    init(
        _ status: Int, _ code: String, _ detail: String, headers: [(name: String, value: String)] = [],
        closesConnection: Bool
    ) {
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers
        self.closesConnection = closesConnection
    }

    /// What every unexpected failure is answered with; the log says more, by the request's id.
    static let unexpected = Problem(
        500, "internal_error", "Something went wrong on our side. The log says more, by the request's id.")

    /// `application/problem+json`.
    func response(to id: String) -> GatewayResponse {
        let json = JSON.object([
            ("type", .string("about:blank")), ("title", .string(Self.title(of: status))),
            ("status", .integer(Int64(status))), ("code", .string(code)), ("detail", .string(detail)),
            ("request_id", .string(id)),
        ])
        return GatewayResponse(
            status: status, headers: [("Content-Type", "application/problem+json")] + headers,
            body: json.bytes)
    }

    /// The name of a status, for the statuses that the gateway answers with.
    static func title(of status: Int) -> String {
        switch status {
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 409: "Conflict"
        case 410: "Gone"
        case 413: "Content Too Large"
        case 415: "Unsupported Media Type"
        case 422: "Unprocessable Content"
        case 429: "Too Many Requests"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        default: status < 500 ? "Refused" : "Internal Server Error"
        }
    }
}
