// SPDX-License-Identifier: Apache-2.0

/// A complete response, whatever its status. Only the body of a refusal, status 400 and above, may be cut, and any body where the
/// request says so (`HTTPRequest.mayCutBody`): where it exceeds what the request permits.
public struct HTTPResponse: Sendable {
    /// How many bytes the body's array has room for after its end, so that a SIMD scanner may read past it in
    /// place.
    public static let spareBodyCapacity = 64

    /// The status code, 100 to 599.
    public let status: Int
    /// The headers, repeated ones included.
    public let headers: HTTPHeaders
    /// The decoded body, or its begin. Its array has at least `spareBodyCapacity` bytes of capacity beyond its count.
    public let body: [UInt8]
    /// The URL of the request.
    public let url: String

    /// A response as the client makes it; tests and stand-ins may make their own.
    public init(status: Int, headers: HTTPHeaders, body: [UInt8], url: String) {
        self.status = status
        self.headers = headers
        self.body = body
        self.url = url
    }
}

extension HTTPResponse: CustomStringConvertible, CustomReflectable {
    /// Status and size only: the rest may be secret.
    public var description: String { "status \(status), \(body.count) bytes" }
    /// Nothing, so that `dump` shows no content.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
