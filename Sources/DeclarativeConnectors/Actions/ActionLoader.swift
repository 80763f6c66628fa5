// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import PageScanner
import Yams

/// Reads `actions` of a manifest.
struct ActionLoader {
    let root: MappingReader
    /// The names of the manifest's streams; an action has another.
    let streams: [String]

    static let keys =
        ["title", "input", "at_least_one", "email", "errors", "variants"] + ActionShapeLoader.keys
    static let variantKeys = ["when"] + ActionShapeLoader.keys
    static let errorKeys = ManifestLoader.errorKeys + ["code", "message", "message_pointer"]
    private static let maximumActions = 100

    func load() -> [ActionManifest] {
        guard let node = root.node("actions") else { return [] }
        guard case .mapping(let mapping) = node else {
            root.complain("actions", "has to be a mapping of action names to actions")
            return []
        }
        if mapping.count > Self.maximumActions {
            root.complain(
                "actions", "has \(mapping.count) actions; at most \(Self.maximumActions) are allowed")
        }
        return mapping.compactMap { nameNode, value in
            let name = nameNode.string ?? ""
            let path = "actions.\(name)"
            if !ManifestLoader.isName(name, extra: "_") {
                root.problems.add(nameNode, path, "'\(name)' is not allowed; small letters, digits and '_'")
            }
            if streams.contains(name) {
                root.problems.add(
                    nameNode, path, "is the name of a stream too; limits would not tell them apart")
            }
            return MappingReader(value, path: path, keys: Self.keys, problems: root.problems)
                .flatMap { action(name, $0) }
        }
    }

    private func action(_ name: String, _ reader: MappingReader) -> ActionManifest? {
        let input = ActionInputLoader(reader: reader).load()
        let atLeastOne = reader.words("at_least_one")
        for name in atLeastOne where !input.contains(where: { $0.name == name }) {
            reader.complain("at_least_one", "'\(name)' is not among input")
        }
        let email = email(reader, input)
        let shapes = ActionShapeLoader(input: input, hasEmail: email != nil)
        let shape = shapes.load(reader)
        let variants = variants(reader, shapes)
        let descriptor = ActionDescriptor(
            name: name, title: reader.text("title") ?? name, input: input, atLeastOne: atLeastOne)
        guard let shape else { return nil }
        let action = ActionManifest(
            descriptor: descriptor, shape: shape, variants: variants, errors: errors(reader), email: email)
        complainOfUnused(action, reader)
        return action
    }

    /// An input that nothing uses promises what does not happen.
    private func complainOfUnused(_ action: ActionManifest, _ reader: MappingReader) {
        var used = Set(action.variants.flatMap { $0.when.map(\.name) })
        var templates = action.shapes.flatMap(\.templates) + (action.email ?? []).map(\.value)
        for shape in action.shapes {
            if case .lookup(let lookup) = shape.repetition { templates += lookup.templates }
        }
        used.formUnion(templates.flatMap(\.places).filter { $0.namespace == .input }.map(\.name))
        for field in action.descriptor.input where !used.contains(field.name) {
            reader.complain("input", "'\(field.name)' is used nowhere in the action")
        }
    }

    private func email(
        _ reader: MappingReader, _ input: [ActionField]
    ) -> [(field: EmailMessage.Field, value: Template)]? {
        let fields = EmailMessage.Field.allCases
        guard reader.has("email"), let email = reader.mapping("email", keys: fields.map(\.rawValue)) else {
            return nil
        }
        let checks = ActionShapeLoader(input: input, hasEmail: false)
        return fields.compactMap { field in
            guard let template = email.template(field.rawValue) else { return nil }
            checks.check([template], field.rawValue, email)
            if template.onlyPlace == nil, !template.places.isEmpty {
                email.complain(
                    field.rawValue, "has to be one place, such as ${input.\(field.rawValue)}, or text")
            }
            return (field, template)
        }
    }

    private func variants(
        _ reader: MappingReader, _ shapes: ActionShapeLoader
    ) -> [(when: [(name: String, equals: JSONScalar)], shape: ActionShape)] {
        guard let node = reader.node("variants") else { return [] }
        guard case .sequence(let list) = node else {
            reader.complain("variants", "has to be a list of requests with 'when'")
            return []
        }
        return list.enumerated().compactMap { index, node in
            guard
                let variant = MappingReader(
                    node, path: reader.keyPath("variants[\(index)]"), keys: Self.variantKeys,
                    problems: reader.problems),
                let when = variant.mapping("when", keys: shapes.input.map(\.name), required: true)
            else { return nil }
            let conditions = shapes.input.compactMap { field -> (name: String, equals: JSONScalar)? in
                guard when.has(field.name) else { return nil }
                return ManifestLoader.scalars(when, field.name).first.map { (field.name, $0) }
            }
            if conditions.isEmpty { variant.complain("when", "has to name a value of an input") }
            return shapes.load(variant).map { (conditions, $0) }
        }
    }

    private func errors(_ reader: MappingReader) -> [ActionErrorRule] {
        guard let node = reader.node("errors") else { return [] }
        guard case .sequence(let list) = node else {
            reader.complain("errors", "has to be a list of rules")
            return []
        }
        return list.enumerated().compactMap { index, node in
            guard
                let rule = MappingReader(
                    node, path: reader.keyPath("errors[\(index)]"), keys: Self.errorKeys,
                    problems: reader.problems),
                let known = ManifestLoader.errorRule(rule)
            else { return nil }
            if let code = rule.text("code"), !ManifestLoader.isName(code, extra: "_") {
                rule.complain("code", "'\(code)' is not allowed; small letters, digits and '_'")
            }
            return ActionErrorRule(
                rule: known, code: rule.text("code"), message: rule.text("message"),
                messagePointer: rule.pointer("message_pointer"))
        }
    }
}

/// Reads `input` of an action.
struct ActionInputLoader {
    let reader: MappingReader

    static let keys = ["type", "required", "default", "one_of", "maximum", "minimum"]
    /// The largest number that `maximum` and `minimum` may be.
    private static let bound = 1_000_000_000

    func load() -> [ActionField] {
        guard let node = reader.node("input") else { return [] }
        guard case .mapping(let mapping) = node else {
            reader.complain("input", "has to be a mapping of names to values, as in { text: { type: text } }")
            return []
        }
        return mapping.compactMap { nameNode, value in
            let name = nameNode.string ?? ""
            let path = reader.keyPath("input.\(name)")
            if !ManifestLoader.isName(name, extra: "_") {
                reader.problems.add(nameNode, path, "'\(name)' is not allowed; small letters, digits and '_'")
            }
            return MappingReader(value, path: path, keys: Self.keys, problems: reader.problems)
                .flatMap { field(name, $0) }
        }
    }

    private func field(_ name: String, _ field: MappingReader) -> ActionField? {
        guard let type = field.word("type", ActionField.ValueType.self, required: true) else { return nil }
        let isRequired = field.bool("required") ?? false
        let minimum = field.integer("minimum", in: -Self.bound...Self.bound)
        let maximum = field.integer("maximum", in: -Self.bound...Self.bound)
        if minimum != nil, type != .integer { field.complain("minimum", "is for integers") }
        if maximum != nil, type != .integer, type != .text {
            field.complain("maximum", "is for integers and texts")
        }
        if let minimum, let maximum, minimum > maximum {
            field.complain("maximum", "is less than minimum")
            return nil
        }
        let allowed = ManifestLoader.scalars(field, "one_of")
        var fallback: JSONTree?
        if field.has("default") {
            fallback = ManifestLoader.scalars(field, "default").first.map { .scalar($0) }
            if isRequired { field.complain("default", "means nothing for a required input") }
        }
        let result = ActionField(
            name: name, type: type, isRequired: isRequired, fallback: fallback, allowed: allowed,
            maximum: maximum, minimum: minimum)
        if let fallback, let message = result.complaint(about: fallback) {
            field.complain("default", message)
        }
        return result
    }
}
