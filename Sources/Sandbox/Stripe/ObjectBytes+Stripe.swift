// SPDX-License-Identifier: Apache-2.0

extension Object {
    mutating func customer() -> String {
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
            {"id":"\(id)","object":"customer","address":\(address),"balance":\(balance),"created":\(created),\
            "currency":"usd","default_source":null,"delinquent":\(revision % 2 == 1),"description":null,\
            "discount":null,"email":"user\(index)@example.com","invoice_prefix":"\(prefix())",\
            "livemode":false,"metadata":{"plan":"\(oneIn(2) ? "pro" : "team")","revision":"\(revision)",\
            "note":"a\\u00e9\\/b \u{1F600}","nested":"{\\"a\\":[1,2.50]}"},"name":\(name),"phone":null,\
            "preferred_locales":["da-DK","en"],"shipping":null,"tax_exempt":"none",\
            "balance_micros":\(9_007_199_254_740_993 + index),"score":\(random.below(9)).10}
            """
    }

    mutating func product() -> String {
        let dimensions =
            oneIn(2)
            ? "null" : #"{"height":1.10,"length":\#(random.below(90) + 1).0,"weight":0.250,"width":1e-2}"#
        return """
            {"id":"\(id)","object":"product","active":\(revision % 2 == 0),"created":\(created),\
            "default_price":null,"description":\(pick(Self.people)),"images":[],"livemode":false,\
            "metadata":{"revision":"\(revision)","empty":""},"name":\(pick(Self.things)),\
            "package_dimensions":\(dimensions),"shippable":null,"statement_descriptor":null,\
            "stock":12345678901234567890\(random.below(1_000)),"tax_code":null,"unit_label":null,\
            "updated":\(updated),"url":null}
            """
    }

    mutating func invoice(customer: String?) -> String {
        let amount = 100 + random.below(1_000_000) + revision
        let isPaid = revision % 2 == 1
        return """
            {"id":"\(id)","object":"invoice","amount_due":\(amount),"amount_paid":\(isPaid ? amount : 0),\
            "amount_remaining":\(isPaid ? 0 : amount),"attempt_count":\(revision),"created":\(created),\
            "currency":"eur","customer":\(customer.map { "\"\($0)\"" } ?? "null"),"livemode":false,\
            "lines":{"object":"list","data":[{"id":"il_\(id.dropFirst(3))","object":"line_item",\
            "amount":\(amount),"description":\(pick(Self.things)),"quantity":1,\
            "unit_amount_excluding_tax":"\(amount)",\
            "tax_rates":[{"percentage":19.00,"inclusive":false}]}],"has_more":false,"total_count":1,\
            "url":"/v1/invoices/\(id)/lines"},"metadata":{},"number":"\(prefix())-\(index)",\
            "paid":\(isPaid),"period_end":\(created),"period_start":\(created - 2_592_000),\
            "status":"\(isPaid ? "paid" : "open")","subtotal":\(amount),"tax":null,"total":\(amount)}
            """
    }

    private mutating func prefix() -> String {
        let letters = Array("ABCDEFGHJKLMNPQRSTUVWXYZ23456789".utf8)
        return String(decoding: (0..<8).map { _ in letters[random.below(32)] }, as: UTF8.self)
    }
}
