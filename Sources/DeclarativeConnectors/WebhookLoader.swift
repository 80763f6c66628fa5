// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner
import Yams

/// Reads `webhook`.
struct WebhookLoader {
    let root: MappingReader
    let streams: [StreamManifest]

    static let keys = [
        "scheme", "secret", "keys_url", "hmac", "each", "event_id", "event_type", "account", "events",
        "watches",
    ]
    static let watchKeys = RequestLoader.keys + ["stream", "resource", "expires", "renew_before", "stop"]
    static let ruleKeys = ["types", "stream", "object", "parent", "grandparent"]

    enum Scheme: String, CaseIterable {
        case slack, stripe, github, shopify, hubspot, hmac
        case standardWebhooks = "standard_webhooks"
        case googleChannel = "google_channel"
        case googlePubSub = "google_pubsub"

        /// Where events have their id, when the manifest does not say.
        var eventID: String? {
            switch self {
            case .slack: "/event_id"
            case .stripe: "/id"
            case .github: "header:X-GitHub-Delivery"
            case .shopify: "header:X-Shopify-Webhook-Id"
            case .standardWebhooks: "header:webhook-id"
            case .hubspot, .hmac, .googleChannel, .googlePubSub: nil
            }
        }

        /// Where events have their type, when the manifest does not say.
        var eventType: String? {
            switch self {
            case .slack: "/event/type"
            case .stripe, .standardWebhooks: "/type"
            case .github: "header:X-GitHub-Event"
            case .shopify: "header:X-Shopify-Topic"
            case .hubspot, .hmac, .googleChannel, .googlePubSub: nil
            }
        }

        /// Whether a secret proves it. A channel has a token of its own, a bearer token its signer's key.
        var hasSecret: Bool { self != .googleChannel }
    }

    func load() -> WebhookManifest? {
        guard let reader = root.mapping("webhook", keys: Self.keys) else { return nil }
        guard let word = reader.word("scheme", Scheme.self, required: true) else { return nil }
        let scheme = scheme(word, reader)
        let secret = secret(word, reader)
        for (key, owner) in [("hmac", Scheme.hmac), ("keys_url", .googlePubSub)]
        where reader.has(key) && word != owner {
            reader.complain(key, "means nothing for scheme '\(word.rawValue)'; only for '\(owner.rawValue)'")
        }
        let eventID = eventID(reader, usual: word.eventID)
        let eventType = value("event_type", reader, usual: word.eventType)
        let account = value("account", reader, usual: nil)
        let isChannel = word == .googleChannel
        for key in ["each", "event_id", "event_type", "account", "events"] where isChannel && reader.has(key)
        {
            reader.complain(key, "means nothing for a channel, which names its stream by itself")
        }
        let rules = rules(reader, isRequired: !isChannel)
        if eventType == nil, !reader.has("event_type"), rules.contains(where: { !$0.types.isEmpty }) {
            reader.complain("event_type", "is missing; where the type of an event is, as rules name types")
        }
        guard let scheme, let secret else { return nil }
        return WebhookManifest(
            profile: WebhookProfile(
                scheme: scheme, secret: secret, eventID: eventID, eventType: eventType, account: account,
                each: each(word, reader)),
            rules: rules, watches: watches(reader))
    }

    private func scheme(_ word: Scheme, _ reader: MappingReader) -> WebhookScheme? {
        switch word {
        case .slack: return .slack
        case .stripe: return .stripe
        case .github: return .github
        case .shopify: return .shopify
        case .hubspot: return .hubspot
        case .standardWebhooks: return .standardWebhooks
        case .googleChannel: return .googleChannel
        case .googlePubSub:
            guard let url = reader.text("keys_url", required: true) else { return nil }
            guard url.hasPrefix("https://") else {
                reader.complain("keys_url", "'\(url)' is not allowed; an https address")
                return nil
            }
            return .googlePubSub(keysURL: url)
        case .hmac: return HMACSchemeLoader(reader).load().map { .hmac($0) }
        }
    }

    /// The name of the secret.
    private func secret(_ word: Scheme, _ reader: MappingReader) -> String? {
        guard word.hasSecret else {
            if reader.has("secret") {
                reader.complain("secret", "means nothing for a channel, which has a token")
            }
            return ""
        }
        guard let template = reader.template("secret", required: true) else { return nil }
        guard template.parts.count == 1, let place = template.places.first, place.namespace == .secret else {
            reader.complain("secret", "'\(template.text)' is not allowed; ${secret.NAME}, and nothing else")
            return nil
        }
        return place.name
    }

    private func value(_ key: String, _ reader: MappingReader, usual: String?) -> WebhookProfile.Value? {
        var source: ValueSource?
        if reader.has(key) {
            source = reader.source(key)
        } else if let usual {
            source = reader.source(from: Node(usual), key)
        }
        switch source {
        case .header(let name)?: return .header(name)
        case .body(let pointer)?: return .body(pointer)
        case nil: return nil
        }
    }

    /// One place, or several whose values together name an event.
    private func eventID(_ reader: MappingReader, usual: String?) -> [WebhookProfile.Value] {
        guard case .sequence(let list)? = reader.node("event_id") else {
            return value("event_id", reader, usual: usual).map { [$0] } ?? []
        }
        if list.isEmpty { reader.complain("event_id", "has to be a place, or a list of places") }
        return list.compactMap { node in
            switch reader.source(from: node, "event_id") {
            case .header(let name)?: .header(name)
            case .body(let pointer)?: .body(pointer)
            case nil: nil
            }
        }
    }

    /// Where the events of one request are.
    private func each(_ word: Scheme, _ reader: MappingReader) -> JSONPointer? {
        guard reader.has("each") else { return nil }
        if word == .googlePubSub {
            reader.complain("each", "means nothing for a message of Pub/Sub, which has one event")
        }
        return reader.pointer("each")
    }

    private func watches(_ reader: MappingReader) -> [WatchRule] {
        guard let node = reader.node("watches") else { return [] }
        guard case .sequence(let list) = node else {
            reader.complain("watches", "has to be a list of watches")
            return []
        }
        return list.enumerated().compactMap { index, node in
            MappingReader(
                node, path: "webhook.watches[\(index)]", keys: Self.watchKeys, problems: reader.problems
            ).flatMap(watch)
        }
    }

    private func watch(_ watch: MappingReader) -> WatchRule? {
        guard let stream = stream(watch) else { return nil }
        let shape = RequestLoader(parent: stream.parent).shape(watch, allowing: [.config, .parent, .watch])
        let resource = watch.has("resource") ? watch.pointer("resource") : nil
        let renewBefore = watch.duration("renew_before", in: .seconds(60) ... .seconds(30 * 86_400))
        if !watch.has("renew_before") {
            watch.complain(
                "renew_before", "is missing; how long before its end a watch is made anew, such as 24h")
        }
        guard let expires = watch.mapping("expires", keys: ["pointer", "format"], required: true),
            let pointer = expires.pointer("pointer", required: true),
            let format = expires.format("format", required: true), let shape, let renewBefore
        else { return nil }
        checkNames(shape, ["id", "token", "address"], "path", watch)
        return WatchRule(
            stream: stream.name, request: shape, resource: resource,
            expires: ScalarRule(pointer: pointer, kind: format), renewBefore: renewBefore,
            stop: stop(watch, hasResource: resource != nil))
    }

    /// How a watch is ended: by its id and the provider's name of what it watches, which is all that is kept of it.
    private func stop(_ watch: MappingReader, hasResource: Bool) -> RequestShape? {
        guard let reader = watch.mapping("stop", keys: RequestLoader.keys) else { return nil }
        let shape = RequestLoader(parent: nil).shape(reader, allowing: [.config, .watch])
        if let shape { checkNames(shape, hasResource ? ["id", "resource"] : ["id"], "stop", watch) }
        return shape
    }

    private func checkNames(
        _ shape: RequestShape, _ names: Set<String>, _ key: String, _ watch: MappingReader
    ) {
        for place in shape.templates.flatMap(\.places)
        where place.namespace == .watch && !names.contains(place.name) {
            watch.complain(key, "\(place.text) has no value in this request")
        }
    }

    /// The stream that a rule names.
    private func stream(_ reader: MappingReader) -> StreamManifest? {
        guard let name = reader.text("stream", required: true) else { return nil }
        guard let stream = streams.first(where: { $0.name == name }) else {
            reader.complain(
                "stream",
                "'\(name)' is no stream; allowed: \(streams.map(\.name).joined(separator: ", "))")
            return nil
        }
        return stream
    }

    private func rules(_ reader: MappingReader, isRequired: Bool) -> [WebhookRule] {
        guard let node = reader.node("events") else {
            if isRequired { reader.complain("events", "is missing; what the events mean for the streams") }
            return []
        }
        guard case .sequence(let list) = node else {
            reader.complain("events", "has to be a list of rules")
            return []
        }
        return list.enumerated().compactMap { index, node in
            MappingReader(
                node, path: "webhook.events[\(index)]", keys: Self.ruleKeys, problems: reader.problems
            ).flatMap(rule)
        }
    }

    private func rule(_ rule: MappingReader) -> WebhookRule? {
        guard let stream = stream(rule) else { return nil }
        let name = stream.name
        let types = types(rule)
        let objects = rule.has("object") ? rule.pointers("object") : []
        let parents = rule.has("parent") ? rule.pointers("parent") : []
        let grandparent = rule.has("grandparent") ? rule.pointer("grandparent") : nil
        if rule.has("object") {
            if stream.fetching == nil {
                rule.complain(
                    "object",
                    "stream '\(name)' does not say how one object is fetched; give it 'fetch', or leave 'object' out"
                )
            }
            if stream.parent != nil, !rule.has("parent") {
                rule.complain(
                    "parent", "is missing; where the id of the record of '\(stream.parent?.stream ?? "")' is")
            }
        }
        if rule.has("parent"), stream.parent == nil {
            rule.complain("parent", "means nothing: stream '\(name)' has no parent")
        }
        let hasGrandparent = stream.parent?.grandparent != nil
        if rule.has("parent"), hasGrandparent, !rule.has("grandparent") {
            rule.complain(
                "grandparent",
                "is missing; where the id of the record of '\(stream.parent?.grandparent?.stream ?? "")' is, in which the parent is"
            )
        }
        if rule.has("grandparent"), !hasGrandparent {
            rule.complain("grandparent", "means nothing: the parent of stream '\(name)' is no child stream")
        }
        guard let types, let objects, let parents else { return nil }
        return WebhookRule(
            types: types, stream: name, objects: objects.map { elements(of: $0, rule) }, parents: parents,
            grandparent: grandparent,
            skipsParent: stream.skippedID != nil)
    }

    /// The most objects that one event names by `*`.
    private static let mostElements = 100

    /// The elements of an array, where a place ends with `*`.
    private func elements(of place: JSONPointer, _ rule: MappingReader) -> [JSONPointer] {
        guard place.tokens.last == "*" else { return [place] }
        let array = place.text.dropLast()
        return (0..<Self.mostElements).compactMap { rule.pointer(from: Node("\(array)\($0)"), "object") }
    }

    private func types(_ rule: MappingReader) -> [String]? {
        guard rule.has("types") else { return [] }
        let names = rule.words("types")
        guard !names.isEmpty, names.allSatisfy({ !$0.dropLast().contains("*") }) else {
            rule.complain("types", "has to be names of types; '*' stands at the end of one, or not at all")
            return nil
        }
        return names
    }
}
