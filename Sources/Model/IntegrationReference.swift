// SPDX-License-Identifier: Apache-2.0

/// One user's account at one service, by the names an operator knows it by.
public struct IntegrationKey: Sendable, CustomStringConvertible {
    /// The account name of an integration that names none.
    public static let defaultAccount = "default"

    /// The user's id in the operator's own system.
    public let userID: String
    /// The service's name, as its connector says it.
    public let service: String
    /// Tells several accounts of one user at one service apart; mostly `default`.
    public let account: String

    /// A key of names that were checked before.
    public init(userID: String, service: String, account: String = IntegrationKey.defaultAccount) {
        self.userID = userID
        self.service = service
        self.account = account
    }

    /// `user/service`, with `/account` behind it when it is not the default one.
    public var description: String {
        account == Self.defaultAccount ? "\(userID)/\(service)" : "\(userID)/\(service)/\(account)"
    }
}

extension IntegrationKey: Hashable {
    // Swift compares strings canonically: "é" in its two Unicode forms would be one user here and two in
    // Postgres. Identity is bytes everywhere.
    /// Whether all three names are the same.
    public static func == (left: IntegrationKey, right: IntegrationKey) -> Bool {
        left.userID.utf8.elementsEqual(right.userID.utf8)
            && left.service.utf8.elementsEqual(right.service.utf8)
            && left.account.utf8.elementsEqual(right.account.utf8)
    }

    /// Feeds the three names.
    public func hash(into hasher: inout Hasher) {
        for part in [userID, service, account] {
            for byte in part.utf8 { hasher.combine(byte) }
            hasher.combine(UInt8(0xFF))
        }
    }
}

/// How a job payload names its integration.
public enum IntegrationReference: Sendable, Hashable {
    case key(IntegrationKey)
    case id(Int64)
}
