// SPDX-License-Identifier: Apache-2.0

/// Stripe's API: who may ask, idempotency keys, and the requests that write.
extension SandboxState {
    mutating func stripe(
        _ request: SandboxRequest, _ caller: Caller, twist: PageTwist?
    ) -> SandboxResponse {
        let user: Int
        switch caller {
        case .account(let known, _): user = known
        case .expired: return StripeAPI.failure(401, "api_key_expired", "Expired API Key provided.")
        case .revoked, .unknown: return StripeAPI.unauthorized(request.bearer)
        }
        do throws(StripeAPI.Refusal) {
            if let key = try idempotencyKey(request, user),
                let saved = try idempotency.answer(key, Self.fingerprint(request))
            {
                return saved
            }
            switch StripeAPI.endpoint(request) {
            case "subscriptions.create": return try createSubscription(request, user)
            case "subscriptions.update", "subscriptions.cancel": return try changeSubscription(request, user)
            default:
                let shape = StripeAPI.shape(of: request)
                return StripeAPI(store: store, bytes: bytes, eras: eras, twist: twist, shape: shape)
                    .answer(request, user: user)
            }
        } catch {
            return error.response
        }
    }

    /// Headers of every answer; and the answer is kept for its idempotency key, even when a fault made it.
    mutating func finishStripe(
        _ request: SandboxRequest, _ route: Route, _ fault: Fault?, _ response: inout SandboxResponse
    ) {
        let version = StripeAPI.version(of: request)
        if version.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) {
            response.headers.append(("Stripe-Version", version))
        }
        guard request.method == "POST", let text = request.header("Idempotency-Key"),
            let user = route.user, text.utf8.count <= IdempotencyKeys.lengthLimit
        else { return }
        response.headers.append(("Idempotency-Key", text))
        if response.write == nil { response.write = WriteNote(key: text) }
        let isKept =
            response.status == 200 || response.status == 402
            || (response.status >= 500 && fault?.kind == .status)
        guard isKept, response.write?.isReplay == false else { return }
        idempotency.save(
            response, IdempotencyKeys.Key(user: user, text: text), Self.fingerprint(request),
            request: ledger.total + 1)
    }

    private func idempotencyKey(
        _ request: SandboxRequest, _ user: Int
    ) throws(StripeAPI.Refusal) -> IdempotencyKeys.Key? {
        guard request.method == "POST", let text = request.header("Idempotency-Key") else {
            return nil
        }
        guard text.utf8.count <= IdempotencyKeys.lengthLimit else {
            throw StripeAPI.Refusal(400, nil, "Idempotency keys are at most 255 characters long.")
        }
        return IdempotencyKeys.Key(user: user, text: text)
    }

    private static func fingerprint(_ request: SandboxRequest) -> String {
        request.path + "\n" + request.pairs.map { "\($0.name)=\($0.value)" }.sorted().joined(separator: "&")
    }

    private mutating func createSubscription(
        _ request: SandboxRequest, _ user: Int
    ) throws(StripeAPI.Refusal) -> SandboxResponse {
        let form = request.parameters ?? [:]
        let customer = try existing("customer", form["customer"], .customers, user)
        let price = try existing("items[0][price]", form["items[0][price]"], .prices, user)
        let behaviour = form["payment_behavior"] ?? "allow_incomplete"
        let method = form["default_payment_method"]
        let card = try TestCard(method ?? "pm_card_visa")
        if let decline = card.decline, card.failsWhenAttached || behaviour == "error_if_incomplete" {
            throw decline
        }
        let isIncomplete = behaviour == "default_incomplete" || card.decline != nil
        let status = isIncomplete ? "incomplete" : "active"
        func written(_ members: [String: String]) -> WrittenObject {
            WrittenObject(
                members: members.merging(["customer": JSONText.quoted(customer)]) { first, _ in first })
        }
        let intentStatus =
            isIncomplete ? (card.needsAction ? "requires_action" : "requires_payment_method") : "succeeded"
        let intents = CollectionKey(user: user, stream: .paymentIntents)
        let invoices = CollectionKey(user: user, stream: .invoices)
        let subscriptions = CollectionKey(user: user, stream: .subscriptions)
        guard let intent = store.create(intents, written(["status": JSONText.quoted(intentStatus)])),
            let invoice = store.create(invoices, written([:]))
        else { throw StripeAPI.Refusal(500, nil, "The sandbox is full.") }
        let members = [
            "price": JSONText.quoted(price), "status": JSONText.quoted(status),
            "cancel_at_period_end": "false", "metadata": Self.metadata(form),
            "default_payment_method": JSONText.quoted(method),
            "latest_invoice": JSONText.quoted(bytes.id(invoices, invoice)),
        ]
        guard let index = store.create(subscriptions, written(members)) else {
            throw StripeAPI.Refusal(500, nil, "The sandbox is full.")
        }
        let collection = store[subscriptions]
        let expansion = StripeExpansion(request)
        var response = try expansion.response(
            bytes.json(collection, index, StripeAPI.shape(of: request)),
            invoice: bytes.json(store[invoices], invoice),
            invoiceID: bytes.id(invoices, invoice), intent: bytes.json(store[intents], intent))
        response.write = WriteNote(
            key: request.header("Idempotency-Key"), effect: bytes.id(collection, index))
        return response
    }

    private mutating func changeSubscription(
        _ request: SandboxRequest, _ user: Int
    ) throws(StripeAPI.Refusal) -> SandboxResponse {
        let key = CollectionKey(user: user, stream: .subscriptions)
        let id = request.segments[3]
        guard let index = bytes.index(of: id, in: store[key]), store[key].isLive(index) else {
            throw StripeAPI.Refusal(404, "resource_missing", "No such subscription: '\(id)'", "id")
        }
        if request.method == "DELETE" {
            _ = store.edit(key, object: index, .deleted)
        } else {
            let form = request.parameters ?? [:]
            var members: [String: String] = [:]
            if let text = form["cancel_at_period_end"] {
                guard text == "true" || text == "false" else {
                    throw StripeAPI.Refusal(400, nil, "Invalid boolean: \(text)", "cancel_at_period_end")
                }
                members["cancel_at_period_end"] = text
            }
            if form.keys.contains(where: { $0.hasPrefix("metadata[") }) {
                members["metadata"] = Self.metadata(form)
            }
            _ = store.update(key, index, members)
        }
        var response = SandboxResponse(json: bytes.json(store[key], index, StripeAPI.shape(of: request)))
        response.write = WriteNote(key: request.header("Idempotency-Key"), effect: id)
        return response
    }

    private func existing(
        _ name: String, _ id: String?, _ stream: SandboxStream, _ user: Int
    ) throws(StripeAPI.Refusal) -> String {
        guard let id else {
            throw StripeAPI.Refusal(400, "parameter_missing", "Missing required param: \(name).", name)
        }
        let collection = store[CollectionKey(user: user, stream: stream)]
        guard let index = bytes.index(of: id, in: collection), collection.isLive(index) else {
            throw StripeAPI.Refusal(400, "resource_missing", "No such \(stream.noun): '\(id)'", name)
        }
        return id
    }

    private static func metadata(_ form: [String: String]) -> String {
        let pairs = form.filter { $0.key.hasPrefix("metadata[") && $0.key.hasSuffix("]") }.sorted {
            $0.key < $1.key
        }
        let members = pairs.map { name, value in
            "\(JSONText.quoted(name.dropFirst(9).dropLast())):\(JSONText.quoted(value))"
        }
        return "{\(members.joined(separator: ","))}"
    }
}
