// SPDX-License-Identifier: Apache-2.0

import Model
public import PageScanner

/// Something that can be done at a service for one of its integrations: a message that is sent, a subscription that is
/// made, a list that is read at once.
public struct ActionDescriptor: Sendable {
    /// The action's name, the `name` column of its rows.
    public let name: String
    /// What it does, for people.
    public let title: String
    /// What it takes.
    public let input: [ActionField]
    /// Inputs of which at least one has to be given; empty for no such rule.
    public let atLeastOne: [String]

    /// An action with what it takes.
    public init(name: String, title: String, input: [ActionField], atLeastOne: [String] = []) {
        self.name = name
        self.title = title
        self.input = input
        self.atLeastOne = atLeastOne
    }
}

/// One value that an action takes.
public struct ActionField: Sendable, Equatable {
    /// What a value may be.
    public enum ValueType: String, Sendable, CaseIterable {
        case text
        case integer
        case number
        case boolean
        case object
        case array
        /// RFC 3339 with a zone.
        case time
        /// An e-mail address, or a list of them; each may have a name before it.
        case addresses
    }

    /// The member's name in the input.
    public let name: String
    /// What its value has to be.
    public let type: ValueType
    /// Whether the input has to have it.
    public let isRequired: Bool
    /// What stands for it when it is left out; nil for nothing.
    public let fallback: JSONTree?
    /// The only values that are allowed; empty for any.
    public let allowed: [JSONScalar]
    /// The longest text, in characters; the largest number.
    public let maximum: Int?
    /// The smallest number.
    public let minimum: Int?

    /// A value of that type. `maximum` counts characters of a text, and bounds an integer as `minimum` does.
    public init(
        name: String, type: ValueType, isRequired: Bool = false, fallback: JSONTree? = nil,
        allowed: [JSONScalar] = [], maximum: Int? = nil, minimum: Int? = nil
    ) {
        self.name = name
        self.type = type
        self.isRequired = isRequired
        self.fallback = fallback
        self.allowed = allowed
        self.maximum = maximum
        self.minimum = minimum
    }
}

/// What is wrong with an input, for whoever gave it.
public struct ActionProblem: Error, Sendable, Equatable, CustomStringConvertible {
    /// Where: `input.text`.
    public let place: String
    /// What is wrong and what is allowed.
    public let message: String

    /// A problem at a place of the input.
    public init(_ place: String, _ message: String) {
        self.place = place
        self.message = message
    }

    /// Both in one line.
    public var description: String { "\(place): \(message)" }
}

/// One wish to have an action done.
public struct ActionCall: Sendable {
    /// The action.
    public let name: String
    /// What it takes: an object that was checked.
    public let input: JSONTree
    /// Tells this wish from every other one, at the provider too: the same however often it is tried. At most 64
    /// characters, letters and digits.
    public let key: String

    /// A wish.
    public init(name: String, input: JSONTree, key: String) {
        self.name = name
        self.input = input
        self.key = key
    }
}

/// What may be done when nobody knows whether an action took effect.
public enum ActionRepetition: Sendable, Equatable {
    /// It changes nothing, or the same again: it may simply be sent again.
    case safe
    /// The provider knows a repetition by its key, for this long.
    case keyed(for: Duration)
    /// The provider can be asked whether it took effect, this long after it was sent.
    case lookedUp(after: Duration)
    /// Nothing: a second request may act a second time.
    case never
}

/// What an action gave.
public struct ActionReply: Sendable, Equatable {
    /// A JSON object.
    public let result: [UInt8]
    /// What it cost.
    public let cost: RequestCost

    /// A result and its cost.
    public init(result: [UInt8], cost: RequestCost) {
        self.result = result
        self.cost = cost
    }
}

/// Why an action failed, and whether it may have taken effect all the same.
public struct ActionFailure: Error, Sendable {
    /// What the provider may have done.
    public enum Effect: Sendable, Equatable {
        /// Nothing: the request was not sent, or was refused.
        case none
        /// Nobody knows: the answer is missing, or says nothing.
        case unknown
        /// Nobody knows, and the provider gives this same answer to each repetition.
        case settledUnknown
    }

    /// What went wrong.
    public let error: ConnectorError
    /// What the provider may have done.
    public let effect: Effect
    /// What it cost.
    public let cost: RequestCost

    /// A failure.
    public init(_ error: ConnectorError, effect: Effect, cost: RequestCost) {
        self.error = error
        self.effect = effect
        self.cost = cost
    }
}

/// Does one action for one integration.
public protocol ActionPerformer: Sendable {
    /// What may be done about an unknown outcome.
    var repetition: ActionRepetition { get }

    /// Sends the request, and reads the result.
    ///
    /// `confirm` is called before each request, when its limits have granted it: when it throws, nothing is sent. `isRepeated`:
    /// the same request was sent before.
    func perform(
        isRepeated: Bool, confirm: @escaping @Sendable () async throws(ConnectorError) -> Void
    ) async throws(ActionFailure) -> ActionReply

    /// Asks the provider whether an earlier request took effect; nil when it did not. Only for `lookedUp`.
    func lookUp() async throws(ConnectorError) -> ActionReply?
}

extension Connector {
    /// No actions.
    public var actions: [ActionDescriptor] { [] }

    /// Nothing is wrong with an input that nothing takes.
    public func check(_ input: JSONTree, of action: String) -> [ActionProblem] { [] }

    /// A connector without actions performs none.
    public func performer(
        of call: ActionCall, access: ProviderAccess
    ) throws(ConnectorError) -> any ActionPerformer {
        throw .unknownAction(call.name, service: service, title: title)
    }
}

extension ConnectorError {
    /// A connector has no action of this name.
    public static func unknownAction(_ name: String, service: String, title: String) -> ConnectorError {
        ConnectorError(
            .config, code: "unknown_action", userMessage: "\(title) cannot do this.",
            operatorDetail: "the connector of \(service) has no action '\(name)'")
    }
}
