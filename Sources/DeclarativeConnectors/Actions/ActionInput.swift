// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner
import Settings

extension ActionManifest {
    /// All that is wrong with an input: nothing of it is stored or sent then.
    func problems(of input: JSONTree) -> [ActionProblem] {
        guard case .object(let members) = input else {
            return [ActionProblem("input", "has to be a JSON object with members: \(names)")]
        }
        var problems: [ActionProblem] = []
        for member in members {
            let field = descriptor.input.first { $0.name.utf8.elementsEqual(member.name.utf8) }
            guard let field else {
                let clause = Suggestion.clause(for: member.name, among: descriptor.input.map(\.name))
                problems.append(ActionProblem("input.\(member.name)", "is unknown" + clause))
                continue
            }
            if let message = field.complaint(about: member.value) {
                problems.append(ActionProblem("input.\(field.name)", message))
            }
        }
        for field in descriptor.input where field.isRequired && input[field.name] == nil {
            problems.append(ActionProblem("input.\(field.name)", "is missing; \(field.form)"))
        }
        let oneOf = descriptor.atLeastOne
        if !oneOf.isEmpty, !oneOf.contains(where: { input[$0].map { !$0.isEmpty } ?? false }) {
            problems.append(
                ActionProblem("input", "needs at least one of \(oneOf.joined(separator: ", "))"))
        }
        guard problems.isEmpty else { return problems }
        return pathProblems(input) + emailProblems(input)
    }

    private var names: String { descriptor.input.map(\.name).joined(separator: ", ") }

    /// Part of a path: one that is empty or only dots would be a request for something else.
    private func pathProblems(_ input: JSONTree) -> [ActionProblem] {
        let places = shapes.flatMap(\.path.places).filter { $0.namespace == .input }.map(\.name)
        return descriptor.input.filter { places.contains($0.name) }.compactMap { field in
            guard case .scalar(let scalar)? = input[field.name], let text = scalar.text else { return nil }
            let isUsable =
                !text.isEmpty && text != "." && text != ".." && !HeaderText.hasControls(text)
                && text.utf8.count <= 500
            return isUsable
                ? nil : ActionProblem("input.\(field.name)", "'\(text.prefix(40))' is no id of an object")
        }
    }

    private func emailProblems(_ input: JSONTree) -> [ActionProblem] {
        let values = ActionValues(descriptor, input, key: "0")
        do throws(EmailMessage.Problem) {
            _ = try message(values)
            return []
        } catch {
            let template = email?.first { $0.field == error.field }?.value
            let place = template?.onlyPlace.map { "input.\($0.name)" } ?? "email.\(error.field.rawValue)"
            return [ActionProblem(place, error.message)]
        }
    }

    /// The mail that a request with these values carries; nil for an action without one.
    func message(_ values: ActionValues) throws(EmailMessage.Problem) -> EmailMessage? {
        guard let email else { return nil }
        var fields: [EmailMessage.Field: [String]] = [:]
        for (field, template) in email {
            guard let place = template.onlyPlace else {
                fields[field] = [template.text]
                continue
            }
            switch values[place.name] {
            case .scalar(let scalar): fields[field] = [scalar.text ?? ""]
            case .array(let elements):
                fields[field] = elements.map { element in
                    if case .scalar(let scalar) = element { scalar.text ?? "" } else { "" }
                }
            default: break
            }
        }
        return try EmailMessage(fields, key: values.key)
    }
}

extension ActionField {
    /// What is allowed, in words.
    var form: String {
        let kind =
            switch type {
            case .text: maximum.map { "a text of at most \($0) characters" } ?? "a text"
            case .integer:
                switch (minimum, maximum) {
                case (let low?, let high?): "a whole number from \(low) to \(high)"
                case (let low?, nil): "a whole number, at least \(low)"
                case (nil, let high?): "a whole number, at most \(high)"
                case (nil, nil): "a whole number"
                }
            case .number: "a number"
            case .boolean: "true or false"
            case .object: "an object"
            case .array: "an array"
            case .time: "a time with a zone, such as 2026-01-31T09:00:00Z"
            case .addresses: "an e-mail address, or an array of them"
            }
        guard !allowed.isEmpty else { return kind }
        return "one of " + allowed.map { $0.text ?? "null" }.joined(separator: ", ")
    }

    /// What is wrong with a value; nil when it is as the field says.
    func complaint(about value: JSONTree) -> String? {
        if value == .scalar(.null) { return "is null; leave it out, or give \(form)" }
        if value.hasNUL { return "has the character U+0000, which cannot be stored" }
        guard fits(value) else { return "is not allowed; \(form)" }
        if !allowed.isEmpty {
            guard case .scalar(let scalar) = value, allowed.contains(scalar) else {
                return "is not allowed; \(form)"
            }
        }
        return nil
    }

    private func fits(_ value: JSONTree) -> Bool {
        switch (type, value) {
        case (.text, .scalar(.string(let text))):
            !text.isEmpty && text.unicodeScalars.count <= maximum ?? .max
        case (.integer, .scalar(.number(let text))):
            Int(text).map { (minimum ?? .min)...(maximum ?? .max) ~= $0 } ?? false
        case (.number, .scalar(.number)), (.boolean, .scalar(.bool)), (.object, .object), (.array, .array):
            true
        case (.time, .scalar(.string(let text))): Timestamp(rfc3339: text) != nil
        case (.addresses, .scalar(.string(let text))): !text.isEmpty
        case (.addresses, .array(let elements)):
            !elements.isEmpty
                && elements.allSatisfy {
                    if case .scalar(.string(let text)) = $0 { !text.isEmpty } else { false }
                }
        default: false
        }
    }
}

extension JSONTree {
    /// Whether it says nothing: an empty text, list or object.
    var isEmpty: Bool {
        switch self {
        case .object(let members): members.isEmpty
        case .array(let elements): elements.isEmpty
        case .scalar(let scalar): scalar.text?.isEmpty ?? true
        }
    }

    /// Whether a text or a name in it has the character that Postgres cannot store.
    var hasNUL: Bool {
        switch self {
        case .object(let members): members.contains { $0.name.utf8.contains(0) || $0.value.hasNUL }
        case .array(let elements): elements.contains(where: \.hasNUL)
        case .scalar(.string(let text)): text.utf8.contains(0)
        case .scalar: false
        }
    }
}
