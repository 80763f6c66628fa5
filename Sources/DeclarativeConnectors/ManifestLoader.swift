// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner
import Yams

/// Turns the text of a manifest into a connector, or into all that is wrong with it.
public enum ManifestLoader {
    /// A manifest of more bytes is refused.
    public static let maximumBytes = 256 * 1024

    /// `file` is the name that problems carry.
    public static func load(_ text: String, file: String) throws(ManifestError) -> ManifestConnector {
        let problems = ProblemList(file: file)
        guard text.utf8.count <= maximumBytes else {
            problems.add(nil, "", "has more than \(maximumBytes) bytes")
            throw ManifestError(problems: problems.problems)
        }
        let node = try parse(text, problems)
        guard let manifest = manifest(node, problems), problems.problems.isEmpty else {
            throw ManifestError(problems: problems.problems)
        }
        return ManifestConnector(manifest: manifest)
    }

    static func parse(_ text: String, _ problems: ProblemList) throws(ManifestError) -> Node {
        do {
            if let node = try Yams.compose(yaml: text) { return node }
            problems.add(nil, "", "is empty")
        } catch let error as YamlError {
            problems.add(nil, "", "is not YAML: \(error)")
        } catch {
            problems.add(nil, "", "cannot be read: \(error)")
        }
        throw ManifestError(problems: problems.problems)
    }

    static let keys = [
        "lockstep", "service", "title", "base_url", "auth", "headers", "config", "errors",
        "request_id_header",
        "limits", "limit_feedback", "streams", "actions", "webhook",
    ]

    private static func manifest(_ node: Node, _ problems: ProblemList) -> Manifest? {
        guard let root = MappingReader(node, path: "", keys: keys, problems: problems) else { return nil }
        if root.integer("lockstep", in: 1...1) == nil, !root.has("lockstep") {
            root.complain("lockstep", "is missing; the version of the format, 1")
        }
        let service = root.text("service", required: true)
        if let service, !isName(service, extra: "-") {
            root.complain(
                "service",
                "'\(service)' is not allowed; small letters, digits and '-', such as google-calendar")
        }
        let baseURL = root.template("base_url", required: true)
        if let text = baseURL?.text, !isBaseURL(text) {
            root.complain(
                "base_url", "'\(text)' is not allowed; https://HOST[/PATH] without a slash at the end")
        }
        for place in baseURL?.places ?? [] where place.namespace != .config {
            root.complain("base_url", "\(place.text) is not allowed here; ${config.NAME} is")
        }
        let auth = root.has("auth") ? AuthLoader(root: root).load() : nil
        let headers = root.templates("headers")
        checkPlaces(root, "auth", auth?.templates ?? [])
        checkPlaces(root, "headers", headers.map(\.value))
        let errors = errorRules(root)
        let streams = StreamLoader(root: root).load()
        let actions = ActionLoader(root: root, streams: streams.map(\.name)).load()
        let limitLoader = LimitLoader(
            root: root, streams: streams.map(\.name), actions: actions.map(\.descriptor.name))
        let limits = limitLoader.limits()
        let feedback = limitLoader.feedback(limits)
        let webhook = WebhookLoader(root: root, streams: streams).load()
        let settings = ConfigLoader(root: root).load()
        let fixed = (baseURL?.places ?? []) + (auth?.templates ?? []).flatMap(\.places)
        var names = Set(fixed.filter { $0.namespace == .config }.map(\.name))
        names.formUnion(auth?.tokens?.endpointNames ?? [])
        names.formUnion(webhook?.watches.flatMap(\.configNames) ?? [])
        for name in settings.keys.sorted() where names.contains(name) {
            root.complain(
                "config",
                "'\(name)' is a place of base_url, auth or a watch, which an integration has to fill in: remove it here"
            )
        }
        guard let service, let baseURL else { return nil }
        return Manifest(
            service: service, title: root.text("title") ?? service, baseURL: baseURL,
            auth: auth?.authentication,
            headers: headers, settings: settings, errors: errors,
            requestIDHeader: root.text("request_id_header"),
            limits: limits, feedback: feedback, streams: streams, actions: actions,
            tokens: auth?.tokens, webhook: webhook)
    }

    /// A credential and a header belong to the integration as a whole: nothing of a single request is at hand for them.
    private static func checkPlaces(_ root: MappingReader, _ key: String, _ templates: [Template]) {
        for place in templates.flatMap(\.places) where ![.config, .secret].contains(place.namespace) {
            root.complain(
                key, "\(place.text) is not allowed here; ${config.NAME} and ${secret.NAME} are")
        }
    }

    private static func errorRules(_ root: MappingReader) -> [ErrorRule] {
        guard let node = root.node("errors") else { return [] }
        guard case .sequence(let list) = node else {
            root.complain("errors", "has to be a list of rules")
            return []
        }
        return list.enumerated().compactMap { index, node in
            MappingReader(
                node, path: "errors[\(index)]", keys: errorKeys, problems: root.problems
            ).flatMap(errorRule)
        }
    }

    static let errorKeys = ResponseCondition.keys + ["class", "wait"]

    static func errorRule(_ rule: MappingReader) -> ErrorRule? {
        guard let errorClass = rule.word("class", ErrorClass.self, required: true) else { return nil }
        if errorClass == .staleWorker {
            rule.complain(
                "class", "'stale_worker' is the engine's own; no response of a provider means it")
        }
        let wait = rule.duration("wait", in: .seconds(1) ... .seconds(3_600))
        if rule.has("wait"), errorClass != .rateLimited {
            rule.complain("wait", "means nothing for class '\(errorClass.rawValue)'; rate_limited has one")
        }
        return ResponseCondition(rule).map { ErrorRule(condition: $0, errorClass: errorClass, wait: wait) }
    }

    /// A scalar or a list of scalars. What looks like a number or a truth value is one, unless it is quoted.
    static func scalars(_ reader: MappingReader, _ key: String) -> [JSONScalar] {
        guard let node = reader.node(key) else { return [] }
        let nodes: [Node]
        if case .sequence(let list) = node { nodes = Array(list) } else { nodes = [node] }
        return nodes.compactMap { node in
            guard let scalar = node.scalar else {
                reader.complain(key, "has to be a value or a list of values")
                return nil
            }
            return JSONScalar(scalar)
        }
    }

    static func isName(_ text: String, extra: Character) -> Bool {
        !text.isEmpty && text.utf8.count <= 64
            && text.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == extra) }
    }

    /// A member's name that needs no escapes in JSON.
    static func isMember(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 64
            && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
    }

    private static func isBaseURL(_ text: String) -> Bool {
        isFixedHost(text) && !text.hasSuffix("/") && !text.contains("?")
    }

    /// Whether a URL leads to one host, whatever its places stand for.
    static func isFixedHost(_ text: String) -> Bool {
        let isHTTP = text.hasPrefix("https://") || text.hasPrefix("http://")
        // A place is one label of the host's name, before a dot, or a part of the path: the rest of the host stays fixed.
        let host = text.drop { $0 != "/" }.dropFirst(2).prefix { $0 != "/" }
        let end = host.lastIndex(of: "}").map { host[host.index(after: $0)...] }
        let isFixed = end.map { $0.hasPrefix(".") && $0.count(where: { $0 == "." }) >= 2 } ?? true
        return isHTTP && isFixed && !text.contains("#") && !text.contains(" ") && !text.contains("@")
    }
}
