// SPDX-License-Identifier: Apache-2.0

import PageScanner

/// The request by which Slack asks whether an address is ours (`url_verification`). It is answered only after its
/// signature was checked. https://docs.slack.dev/reference/events/url_verification
public struct SlackChallenge: Sendable, Equatable {
    /// What the answer has to be.
    public let text: String

    /// Nil for a body that is something else.
    public init?(_ body: [UInt8]) {
        guard let pointers = Self.pointers else { return nil }
        let found = JSONValueReader.scalars(at: pointers, in: body)
        guard found.count == 2, found[0] == .string("url_verification"), case .string(let text)? = found[1],
            text.utf8.count <= 1_024
        else { return nil }
        self.text = text
    }

    private static let pointers: [JSONPointer]? = {
        do throws(PageScanError) {
            return [try JSONPointer("/type"), try JSONPointer("/challenge")]
        } catch {
            return nil
        }
    }()
}
