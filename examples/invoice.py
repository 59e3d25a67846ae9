"""What to extract from an invoice: packmule extract invoices --schema invoice.py:Invoice --citations."""

from pydantic import BaseModel


class InvoiceItem(BaseModel):
    description: str
    quantity: int
    unit_price: float
    total: float


class Invoice(BaseModel):
    invoice_number: str
    company_name: str
    total_amount: float
    items: list[InvoiceItem]
    tax_rate: float | None = None
