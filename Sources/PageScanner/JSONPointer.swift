// SPDX-License-Identifier: Apache-2.0

/// A path to a value of a JSON object (RFC 6901).
public struct JSONPointer: Sendable, Hashable {
    /// The pointer as written, such as `/response_metadata/next_cursor`; empty for the document itself.
    public let text: String
    /// The member names, unescaped.
    public let tokens: [String]

    /// Throws `invalidPointer` unless the text is empty or begins with `/` and has only the escapes `~0` and `~1`.
    public init(_ text: String) throws(PageScanError) {
        guard text.isEmpty || text.hasPrefix("/") else {
            throw PageScanError(
                .invalidPointer, "'\(text)' is no JSON pointer; it begins with '/', as in /data")
        }
        var tokens: [String] = []
        for part in text.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        where !text.isEmpty {
            guard let token = Self.unescaped(part), !token.isEmpty, !token.utf8.contains(0) else {
                throw PageScanError(
                    .invalidPointer,
                    "'\(text)' is no JSON pointer that names members; '~' is written ~0, '/' ~1")
            }
            tokens.append(token)
        }
        self.text = text
        self.tokens = tokens
    }

    /// A member of the document itself, by its name.
    public init(member: String) {
        text = "/" + member.replacing("~", with: "~0").replacing("/", with: "~1")
        tokens = [member]
    }

    private static func unescaped(_ part: Substring) -> String? {
        var result = ""
        var rest = part[...]
        while let character = rest.popFirst() {
            guard character == "~" else {
                result.append(character)
                continue
            }
            switch rest.popFirst() {
            case "0": result.append("~")
            case "1": result.append("/")
            default: return nil
            }
        }
        return result
    }
}
