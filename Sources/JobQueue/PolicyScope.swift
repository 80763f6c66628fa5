// SPDX-License-Identifier: Apache-2.0

public import Model

/// Whose jobs a cap counts.
public enum PolicyScope: Sendable, Hashable {
    case user(String)
    /// Each user that has no cap of its own.
    case eachUser
    case service(String)
    /// Each service that has no cap of its own.
    case eachService
    case queue(Queue)

    /// Reads `user:u_42`, `user:*`, `service:slack`, `service:*` or `queue:low`; nil for anything else.
    public init?(_ text: String) {
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        let name = String(text[text.utf8.index(after: colon)...])
        guard !name.isEmpty, name.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
            return nil
        }
        switch text[..<colon] {
        case "user": self = name == "*" ? .eachUser : .user(name)
        case "service": self = name == "*" ? .eachService : .service(name)
        case "queue":
            guard let queue = Queue(rawValue: name) else { return nil }
            self = .queue(queue)
        default: return nil
        }
    }

    /// The text by which the policy and the command line know it.
    public var member: String {
        switch self {
        case .user(let name): "user:\(name)"
        case .eachUser: "user:*"
        case .service(let name): "service:\(name)"
        case .eachService: "service:*"
        case .queue(let queue): "queue:\(queue.rawValue)"
        }
    }
}

/// One field of the policy.
public struct PolicyEntry: Sendable, Equatable {
    /// What a field sets.
    public enum Kind: String, Sendable {
        case cap
        case weight
        /// The queue does not read such a field, or not such a value.
        case ignored
    }

    /// What it sets.
    public let kind: Kind
    /// Of whom; the whole field when it is ignored.
    public let scope: String
    /// As it stands there.
    public let value: String
}

extension PolicyEntry {
    init(field: String, value: String) {
        let parts = field.split(separator: ":", maxSplits: 1).map(String.init)
        let number = Double(value).flatMap { $0.isFinite ? $0 : nil }
        self.value = value
        if parts.count == 2, let number, parts[0] == "cap", let scope = PolicyScope(parts[1]), number >= 0 {
            (kind, self.scope) = (.cap, scope.member)
        } else if parts.count == 2, number != nil, parts[0] == "weight",
            case .user(let name)? = PolicyScope(parts[1])
        {
            (kind, scope) = (.weight, "user:\(name)")
        } else {
            (kind, scope) = (.ignored, field)
        }
    }
}
