// SPDX-License-Identifier: Apache-2.0

public import Model

/// What an operator stops for a while: a member of the set `paused`.
public enum Pause: Sendable, Hashable {
    case queue(Queue)
    case service(String)
    case user(String)
    case integration(Int64)

    /// Reads `queue:low`, `service:slack`, `user:u_42` or `integration:17`; nil for anything else.
    public init?(_ text: String) {
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        let name = String(text[text.utf8.index(after: colon)...])
        guard !name.isEmpty else { return nil }
        switch text[..<colon] {
        case "queue":
            guard let queue = Queue(rawValue: name) else { return nil }
            self = .queue(queue)
        case "service": self = .service(name)
        case "user": self = .user(name)
        case "integration":
            guard let number = Int64(name), number > 0, String(number) == name else { return nil }
            self = .integration(number)
        default: return nil
        }
    }

    /// The text by which the set and the command line know it.
    public var member: String {
        switch self {
        case .queue(let queue): "queue:\(queue.rawValue)"
        case .service(let name): "service:\(name)"
        case .user(let name): "user:\(name)"
        case .integration(let number): "integration:\(number)"
        }
    }
}
