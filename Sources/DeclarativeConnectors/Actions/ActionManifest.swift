// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner

/// An action as a manifest describes it, checked.
struct ActionManifest: Sendable {
    let descriptor: ActionDescriptor
    /// The request, unless one of `variants` is meant.
    let shape: ActionShape
    /// Requests for certain inputs; the first that fits counts.
    let variants: [(when: [(name: String, equals: JSONScalar)], shape: ActionShape)]
    /// What answers mean, before the rules of the manifest.
    let errors: [ActionErrorRule]
    /// The mail that the request carries; nil for most.
    let email: [(field: EmailMessage.Field, value: Template)]?

    /// All requests that it may send, look-ups included.
    var shapes: [ActionShape] { [shape] + variants.map(\.shape) }
}

/// The request of an action, what it gives, and what may be done when nobody knows whether it took effect.
struct ActionShape: Sendable {
    enum Method: String, Sendable, CaseIterable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
    }

    /// How a body is written.
    enum Encoding: String, Sendable, CaseIterable {
        case json
        case form
    }

    enum Repetition: Sendable {
        case safe
        case key(header: String, lasts: Duration, replayed: String?)
        case lookup(ActionLookup)
        case never
    }

    let method: Method
    let path: Template
    var query: [(name: String, value: Template)] = []
    var headers: [(name: String, value: Template)] = []
    var encoding = Encoding.json
    var body: JSONTemplate?
    let repetition: Repetition
    let result: ActionResultRule

    var templates: [Template] { [path] + query.map(\.value) + headers.map(\.value) + (body?.templates ?? []) }
}

/// A request that tells whether an action took effect.
struct ActionLookup: Sendable {
    let path: Template
    var query: [(name: String, value: Template)] = []
    /// It took effect when this value is there, and is one of `equals` unless that is empty.
    let found: JSONPointer
    let equals: [JSONScalar]
    /// How long after the request it can be seen.
    let after: Duration
    let result: ActionResultRule

    var templates: [Template] { [path] + query.map(\.value) }
}

/// What of an answer is kept.
struct ActionResultRule: Sendable {
    /// Names, and where their values are: the first that is there counts.
    var members: [(name: String, pointers: [JSONPointer])] = []
    /// A list of the answer that is kept whole, under a name.
    var list: (name: String, pointer: JSONPointer)?
}

/// What an answer to an action means, with a sentence for the user.
struct ActionErrorRule: Sendable {
    let rule: ErrorRule
    let code: String?
    let message: String?
    /// Where the provider says it in words that are meant for the user.
    let messagePointer: JSONPointer?
}

/// What the places of an action's request stand for.
struct ActionValues: Sendable {
    /// The names of `${action.…}`.
    static let names = ["key", "message", "message_id"]

    private let input: [(name: String, value: JSONTree)]
    let key: String
    var message: String?

    /// The input with what stands for values that were left out.
    init(_ descriptor: ActionDescriptor, _ input: JSONTree, key: String) {
        self.key = key
        self.input = descriptor.input.compactMap { field in
            (input[field.name] ?? field.fallback).map { (field.name, $0) }
        }
    }

    /// Nil for an input that was left out.
    subscript(name: String) -> JSONTree? { input.first { $0.name == name }?.value }

    /// The text of an input that is a scalar, or of one of the action's own values.
    func text(_ place: Template.Place) -> String? {
        switch (place.namespace, place.name) {
        case (.input, _):
            if case .scalar(let scalar)? = self[place.name] { scalar.text } else { nil }
        case (.action, "key"): key
        case (.action, "message"): message
        case (.action, "message_id"): EmailMessage.id(of: key)
        default: nil
        }
    }
}
