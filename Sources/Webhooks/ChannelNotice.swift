// SPDX-License-Identifier: Apache-2.0

import Cryptography

/// A notification of a Google channel: headers alone, no content and no signature. What proves it are the channel's id,
/// which nobody can guess, and its token. https://developers.google.com/workspace/calendar/api/guides/push
public struct ChannelNotice: Sendable, Equatable {
    /// The id that the channel was made with.
    public let channelID: String
    /// Counts up, with gaps; the first one says that the channel is there.
    public let number: String
    /// What is watched, as the provider names it.
    public let resourceID: String
    /// `sync`, `exists` or `not_exists`.
    public let state: String
    private let token: [UInt8]

    /// Throws for a request that lacks one of the headers.
    public init(_ request: WebhookRequest) throws(WebhookRefusal) {
        channelID = try request.header("X-Goog-Channel-ID")
        token = Array(try request.header("X-Goog-Channel-Token").utf8)
        resourceID = try request.header("X-Goog-Resource-ID")
        number = try request.header("X-Goog-Message-Number")
        state = try request.header("X-Goog-Resource-State")
        guard (1...20).contains(number.utf8.count), number.utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else { throw WebhookRefusal(.malformed, "X-Goog-Message-Number is no number") }
        guard channelID.utf8.count <= 64, state.utf8.count <= 32, resourceID.utf8.count <= 1_024 else {
            throw WebhookRefusal(.malformed, "a header of the channel is too long")
        }
    }

    /// What is kept of a channel's token.
    public static func hash(ofToken token: String) -> [UInt8] { SHA256.digest(of: Array(token.utf8)) }

    /// Whether the token is the one with this hash. Digests are compared: their length and the time tell nothing.
    public func isProved(byHash hash: [UInt8]) -> Bool {
        ConstantTime.equal(SHA256.digest(of: token), hash)
    }

    /// What no other notification of any channel has.
    public var eventID: String { "\(channelID)/\(number)" }
}
