// SPDX-License-Identifier: Apache-2.0

import Cryptography
import PageScanner

/// The envelope in which Pub/Sub pushes a message.
/// https://docs.cloud.google.com/pubsub/docs/push
public struct PubSubMessage: Sendable, Equatable {
    /// What no other message of the topic has.
    public let id: String
    /// The message itself.
    public let data: [UInt8]

    /// Nil for a body that is no such envelope.
    public init?(_ body: [UInt8]) {
        do throws(PageScanError) {
            let found = JSONValueReader.scalars(
                at: [try JSONPointer("/message/messageId"), try JSONPointer("/message/data")], in: body)
            guard found.count == 2, case .string(let id)? = found[0], case .string(let text)? = found[1],
                let data = Self.decoded(text)
            else { return nil }
            self.id = id
            self.data = data
        } catch {
            return nil
        }
    }

    /// Gmail's documentation shows the URL-safe alphabet, Pub/Sub's the standard one.
    private static func decoded(_ text: String) -> [UInt8]? {
        if let bytes = Base64.standard.decode(text) { return bytes }
        var bare = text[...]
        while bare.last == "=" { bare.removeLast() }
        return Base64.urlSafe.decode(bare)
    }
}
