// SPDX-License-Identifier: Apache-2.0

extension Object {
    mutating func customer(_ shape: ObjectBytes.Shape) -> String {
        let name = pick(Self.people)
        let address =
            oneIn(3)
            ? "null"
            : """
            {"city":"K\u{F8}benhavn","country":"DK","line1":"Gr\\u00f8nnegade \(random.below(200))",\
            "line2":null,"postal_code":"\(1_000 + random.below(9_000))","state":null}
            """
        let balance = random.below(2_000) - 1_000 - revision
        return """
            {"id":"\(id)","object":"customer","address":\(address),\
            "\(shape == .snapshot ? "account_balance" : "balance")":\(balance),"created":\(created),\
            "currency":"usd","default_source":null,"delinquent":\(revision % 2 == 1),"description":null,\
            "discount":null,"email":"user\(index)@example.com","invoice_prefix":"\(prefix())",\
            "livemode":false,"metadata":{"plan":"\(oneIn(2) ? "pro" : "team")","revision":"\(revision)",\
            "note":"a\\u00e9\\/b \u{1F600}","nested":"{\\"a\\":[1,2.50]}"},"name":\(name),"phone":null,\
            "preferred_locales":["da-DK","en"],"shipping":null,"tax_exempt":"none",\
            "balance_micros":\(9_007_199_254_740_993 + index),"score":\(random.below(9)).10}
            """
    }

    mutating func product(_ shape: ObjectBytes.Shape) -> String {
        let dimensions =
            oneIn(2)
            ? "null" : #"{"height":1.10,"length":\#(random.below(90) + 1).0,"weight":0.250,"width":1e-2}"#
        return """
            {"id":"\(id)","object":"product","active":\(revision % 2 == 0),"created":\(created),\
            "\(shape == .snapshot ? "skus" : "default_price")":null,"description":\(pick(Self.people)),"images":[],"livemode":false,\
            "metadata":{"revision":"\(revision)","empty":""},"name":\(pick(Self.things)),\
            "package_dimensions":\(dimensions),"shippable":null,"statement_descriptor":null,\
            "stock":12345678901234567890\(random.below(1_000)),"tax_code":null,"unit_label":null,\
            "updated":\(updated),"url":null}
            """
    }

    mutating func invoice(customer: String?, _ shape: ObjectBytes.Shape) -> String {
        let amount = 100 + random.below(1_000_000) + revision
        let isPaid = revision % 2 == 1
        return """
            {"id":"\(id)","object":"invoice","amount_due":\(amount),"amount_paid":\(isPaid ? amount : 0),\
            "amount_remaining":\(isPaid ? 0 : amount),"attempt_count":\(revision),"created":\(created),\
            "currency":"eur","customer":\(owner(customer)),"livemode":false,\
            "lines":{"object":"list","data":[{"id":"il_\(id.dropFirst(3))","object":"line_item",\
            "amount":\(amount),"description":\(pick(Self.things)),"quantity":1,\
            "unit_amount_excluding_tax":"\(amount)",\
            "tax_rates":[{"percentage":19.00,"inclusive":false}]}],"has_more":false,"total_count":1,\
            "url":"/v1/invoices/\(id)/lines"},"metadata":{},"number":"\(prefix())-\(index)",\
            "paid":\(isPaid),"period_end":\(created),"period_start":\(created - 2_592_000),\
            "\(shape == .snapshot ? "closed" : "status")":"\(isPaid ? "paid" : "open")","subtotal":\(amount),"tax":null,"total":\(amount)}
            """
    }

    mutating func price(product: String?) -> String {
        let amount = 100 + random.below(90_000)
        return """
            {"id":"\(id)","object":"price","active":\(revision % 2 == 0),"billing_scheme":"per_unit",\
            "created":\(created),"currency":"usd","custom_unit_amount":null,"livemode":false,\
            "lookup_key":null,"metadata":{"revision":"\(revision)"},"nickname":\(pick(Self.things)),\
            "product":\(JSONText.quoted(product)),"recurring":{"interval":"month","interval_count":1,\
            "usage_type":"licensed"},"tax_behavior":"unspecified","tiers_mode":null,"type":"recurring",\
            "unit_amount":\(amount),"unit_amount_decimal":"\(amount).5"}
            """
    }

    /// What is deleted is cancelled: a subscription can still be read.
    ///
    /// Its period stands at its items, and in older versions of the API at itself.
    mutating func subscription(customer: String?, price: String?, _ shape: ObjectBytes.Shape) -> String {
        let period = #""current_period_end":\#(created + 2_592_000),"current_period_start":\#(created),"#
        let isEnding = member("cancel_at_period_end") ?? "\(revision % 4 == 3)"
        let status = state.isDeleted ? "\"canceled\"" : member("status") ?? "\"active\""
        return """
            {"id":"\(id)","object":"subscription","cancel_at_period_end":\(isEnding),\
            "canceled_at":\(state.isDeleted || isEnding == "true" ? "\(updated)" : "null"),\
            "collection_method":"charge_automatically","created":\(created),"currency":"usd",\
            \(shape == .usual ? "" : period)"customer":\(owner(customer)),\
            "default_payment_method":\(member("default_payment_method") ?? "null"),\
            "items":{"object":"list","data":[{"id":"si_\(id.dropFirst(4))","object":"subscription_item",\
            \(shape == .usual ? period : "")"price":{"id":\(member("price") ?? JSONText.quoted(price)),"object":"price"},\
            "quantity":\(1 + random.below(9))}],"has_more":false,"total_count":1,\
            "url":"/v1/subscription_items?subscription=\(id)"},\
            "latest_invoice":\(member("latest_invoice") ?? "null"),"livemode":false,\
            "metadata":\(member("metadata") ?? "{\"revision\":\"\(revision)\"}"),"status":\(status)}
            """
    }

    mutating func paymentIntent(customer: String?) -> String {
        let amount = 100 + random.below(500_000)
        let status = member("status") ?? (revision % 2 == 1 ? "\"succeeded\"" : "\"requires_payment_method\"")
        return """
            {"id":"\(id)","object":"payment_intent","amount":\(amount),\
            "amount_received":\(status == "\"succeeded\"" ? amount : 0),"capture_method":"automatic",\
            "client_secret":"\(id)_secret_\(String(random.next(), radix: 36))","created":\(created),\
            "currency":"eur","customer":\(owner(customer)),"description":\(pick(Self.things)),\
            "livemode":false,"metadata":{"revision":"\(revision)"},"payment_method":null,\
            "payment_method_types":["card"],"status":\(status)}
            """
    }

    mutating func charge(customer: String?, intent: String?) -> String {
        let amount = 100 + random.below(500_000)
        let isRefunded = revision % 3 == 2
        return """
            {"id":"\(id)","object":"charge","amount":\(amount),\
            "amount_refunded":\(isRefunded ? amount : 0),"captured":true,"created":\(created),\
            "currency":"eur","customer":\(owner(customer)),"description":\(pick(Self.people)),\
            "disputed":false,"livemode":false,"metadata":{"revision":"\(revision)"},"paid":true,\
            "payment_intent":\(JSONText.quoted(intent)),"receipt_email":null,\
            "refunded":\(isRefunded),"status":"succeeded"}
            """
    }

    private func owner(_ customer: String?) -> String { member("customer") ?? JSONText.quoted(customer) }

    private mutating func prefix() -> String {
        let letters = Array("ABCDEFGHJKLMNPQRSTUVWXYZ23456789".utf8)
        return String(decoding: (0..<8).map { _ in letters[random.below(32)] }, as: UTF8.self)
    }
}
